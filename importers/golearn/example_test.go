package golearn_test

import (
	"context"
	"fmt"
	"log"

	"github.com/sjwhitworth/golearn/base"
	"github.com/sjwhitworth/golearn/trees"

	"github.com/fhe-ml/fhe-ml/importers/golearn"
	"github.com/fhe-ml/fhe-ml/models"
)

// A decision tree is trained with golearn on its iris data, compiled, and asked about three flowers that only the client sees.
func Example() {
	grid, err := base.ParseCSVToInstances("testdata/iris.csv", true)
	if err != nil {
		log.Fatal(err)
	}
	tree := trees.NewID3DecisionTree(0)
	if err := tree.Fit(grid); err != nil {
		log.Fatal(err)
	}

	// golearn finds attributes by name, so a row's columns are named.
	model, report, err := golearn.Import(tree, golearn.Options{Columns: []string{"Sepal length", "Sepal width", "Petal length", "Petal width"}})
	if err != nil {
		log.Fatal(err)
	}
	compiled, err := models.Compile(model, models.CompileOptions{}, nil) // trees need no calibration rows
	if err != nil {
		log.Fatal(err)
	}
	session, err := compiled.NewSession(context.Background(), nil) // client and server in one process, with fresh keys
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Model)
	for _, row := range [][]float64{{5.1, 3.5, 1.4, 0.2}, {5.7, 2.8, 4.1, 1.3}, {6.7, 3.0, 5.2, 2.3}} {
		prediction, _, err := session.Predict(context.Background(), row)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row, prediction.Label)
	}
	// Output:
	// trees.ID3DecisionTree
	// [5.1 3.5 1.4 0.2] Iris-setosa
	// [5.7 2.8 4.1 1.3] Iris-versicolor
	// [6.7 3 5.2 2.3] Iris-virginica
}
