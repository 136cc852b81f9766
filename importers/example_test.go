package importers_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/datasets"
	"github.com/fhe-ml/fhe-ml/importers"
	"github.com/fhe-ml/fhe-ml/models"
)

// A model is imported and compiled once. The client makes keys and encrypts a row; the server, which holds no secret key, computes on it; the
// client decrypts the prediction.
func Example() {
	ctx := context.Background()

	// The owner of the model: import, quantize, compile.
	model, _, err := importers.Open("onnx/testdata/gb_breast_cancer.onnx")
	if err != nil {
		log.Fatal(err)
	}
	compiled, err := models.Compile(model, models.CompileOptions{}, nil) // trees need no calibration rows
	if err != nil {
		log.Fatal(err)
	}

	// The client gets its part of the compiled model, which holds no leaf values, and makes its keys.
	file := compiled.ClientFile()
	keys, err := models.GenerateKeys(ctx, file, nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := models.NewClient(file, keys.Secret)
	if err != nil {
		log.Fatal(err)
	}

	// The server gets the compiled model and the evaluation key.
	server, err := compiled.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	if err := server.LoadKey(ctx, keys.Evaluation, nil); err != nil {
		log.Fatal(err)
	}

	table, err := datasets.Open("onnx/testdata/gb_breast_cancer.csv")
	if err != nil {
		log.Fatal(err)
	}
	rows, err := table.Rows()
	if err != nil {
		log.Fatal(err)
	}
	request, _, err := client.Encrypt(rows[0])
	if err != nil {
		log.Fatal(err)
	}

	// Requests and responses travel as bytes.
	var wire bytes.Buffer
	if _, err := request.WriteTo(&wire); err != nil {
		log.Fatal(err)
	}
	received, err := compiler.ReadRequest(&wire, &file.Spec)
	if err != nil {
		log.Fatal(err)
	}
	response, err := server.Run(ctx, received)
	if err != nil {
		log.Fatal(err)
	}

	prediction, err := client.Decrypt(response, request)
	if err != nil {
		log.Fatal(err)
	}
	inTheClear, err := models.Predict(model, rows[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("encrypted: class %v with probability %.4f\n", prediction.Label, prediction.Scores[prediction.Class])
	fmt.Printf("float:     class %v with probability %.4f\n", inTheClear.Label, inTheClear.Scores[inTheClear.Class])
	// Output:
	// encrypted: class 1 with probability 0.9974
	// float:     class 1 with probability 0.9974
}
