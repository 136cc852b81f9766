package models_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"net"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client/remote"
	"github.com/fhe-ml/fhe-ml/compiler/server/service"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// dose is a regression that the examples share; models of one's own come from package importers.
func dose() (models.Model, [][]float64) {
	m := &models.Linear{Info: models.Info{Features: []string{"age", "weight"}, Named: true, Post: quantize.Postprocessing{Task: quantize.Regress, Outputs: 1}},
		Weights: [][]float64{{-0.5, 2}}, Bias: []float64{10}}
	calibration := [][]float64{{20, 50}, {40, 70}, {60, 80}, {80, 60}, {90, 110}}
	return m, calibration
}

// A model is compiled, and before anything slow it says what it costs.
func ExampleCompile() {
	m, calibration := dose()
	c, err := models.Compile(m, models.CompileOptions{Bits: 6, Log2PFail: -64, Prefer: compiler.PreferUpload}, calibration)
	if err != nil {
		log.Fatal(err)
	}
	s := c.Summary()
	fmt.Printf("%s model of %d columns: %d lookups, %d bytes of evaluation key, %d bits of security\n", s.Kind, s.Features, s.Lookups, s.EvaluationKeyBytes, s.SecurityBits)
	for _, text := range s.Reveals[:1] {
		fmt.Println("clients learn", text)
	}
	// Output:
	// linear model of 2 columns: 0 lookups, 0 bytes of evaluation key, 128 bits of security
	// clients learn the names of 2 input columns, and that 2 of them are used
}

// Client and server are apart and exchange streams, here buffers in place of files.
func ExampleClient_EncryptRows() {
	ctx := context.Background()
	m, calibration := dose()
	compiled, err := models.Compile(m, models.CompileOptions{}, calibration)
	if err != nil {
		log.Fatal(err)
	}
	var model, clientFile, evaluationKey, requests, responses bytes.Buffer
	compiled.WriteTo(&model)
	compiled.ClientFile().WriteTo(&clientFile)

	// The client makes keys and encrypts.
	file, err := models.ReadClientFile(&clientFile)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := models.GenerateKeys(ctx, file, nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := models.NewClient(file, keys.Secret)
	if err != nil {
		log.Fatal(err)
	}
	keys.Evaluation.WriteTo(&evaluationKey)
	rows := [][]float64{{40, 70}, {80, 60}, {30, 200}}
	sent, err := client.EncryptRows(ctx, &requests, rows, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i, clips := range sent.Clips {
		for _, c := range clips {
			fmt.Printf("row %d: %v\n", i+1, c)
		}
	}

	// The server computes, and has no way to read anything.
	loaded, err := models.ReadCompiled(&model)
	if err != nil {
		log.Fatal(err)
	}
	server, err := loaded.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	key, err := tfhe.ReadEvaluationKey(&evaluationKey)
	if err != nil {
		log.Fatal(err)
	}
	if err := server.LoadKey(ctx, key, nil); err != nil {
		log.Fatal(err)
	}
	if _, err := server.RunBatch(ctx, &responses, &requests, nil); err != nil {
		log.Fatal(err)
	}

	// The client decrypts: all rows in order, or an error.
	predictions, err := client.DecryptRows(ctx, &responses, sent.ID, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i, p := range predictions {
		fmt.Printf("row %d: %.0f\n", i+1, p.Scores[0])
	}
	// Output:
	// row 3: column "weight" lies outside the calibrated range 50 to 110; the nearest value inside was used
	// row 1: 130
	// row 2: 90
	// row 3: 215
}

// Errors say what they are about.
func ExampleClient_Encrypt() {
	ctx := context.Background()
	m, calibration := dose()
	compiled, err := models.Compile(m, models.CompileOptions{}, calibration)
	if err != nil {
		log.Fatal(err)
	}
	session, err := compiled.NewSession(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, _, err = session.Client.Encrypt([]float64{math.NaN(), 70})
	var column *quantize.ColumnError
	if errors.As(err, &column) {
		fmt.Printf("look at column %s: missing %v\n", column.Column, errors.Is(err, quantize.ErrMissing))
	}
	other, err := compiled.NewSession(ctx, nil) // with keys of its own
	if err != nil {
		log.Fatal(err)
	}
	request, _, err := other.Client.Encrypt([]float64{40, 70})
	if err != nil {
		log.Fatal(err)
	}
	_, err = session.Server.Run(ctx, request)
	fmt.Println("another key:", errors.Is(err, tfhe.ErrKey))
	// Output:
	// look at column age: missing true
	// another key: true
}

// A service over HTTP, and its client.
func Example_http() {
	ctx, stop := context.WithCancel(context.Background())
	m, calibration := dose()
	compiled, err := models.Compile(m, models.CompileOptions{}, calibration)
	if err != nil {
		log.Fatal(err)
	}
	var clientFile bytes.Buffer
	compiled.ClientFile().WriteTo(&clientFile)

	offered := []service.Model{{Name: "dose", Circuit: compiled.Circuit, ClientFile: clientFile.Bytes()}}
	s, err := service.New(offered, service.Limits{Memory: 1 << 30, Rows: 100})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, listener) }()

	server, err := remote.Dial(ctx, "http://"+listener.Addr().String(), "dose", nil)
	if err != nil {
		log.Fatal(err)
	}
	data, err := server.ClientFile(ctx)
	if err != nil {
		log.Fatal(err)
	}
	file, err := models.ReadClientFile(bytes.NewReader(data))
	if err != nil {
		log.Fatal(err)
	}
	keys, err := models.GenerateKeys(ctx, file, nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := models.NewClient(file, keys.Secret)
	if err != nil {
		log.Fatal(err)
	}
	if err := server.SendKey(ctx, keys.Evaluation); err != nil {
		log.Fatal(err)
	}
	rows := [][]float64{{40, 70}, {80, 60}}
	var requests, responses bytes.Buffer
	sent, err := client.EncryptRows(ctx, &requests, rows, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := server.RunBatch(ctx, &responses, requests.Bytes(), file.Spec.ResponseBatchBytes(len(rows))); err != nil {
		log.Fatal(err)
	}
	predictions, err := client.DecryptRows(ctx, &responses, sent.ID, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range predictions {
		fmt.Printf("%.0f\n", p.Scores[0])
	}
	stop()
	fmt.Println(<-ended)
	// Output:
	// 130
	// 90
	// <nil>
}
