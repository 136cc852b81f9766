// Package golearn imports models that were trained with golearn (github.com/sjwhitworth/golearn): from the objects of a Go program, with
// [Import], and from the files that golearn saves, with [Read].
//
//	trees.ID3DecisionTree, RandomTree, DecisionTreeNode        objects and files
//	ensemble.RandomForest, meta.BaggedModel of these trees     objects and files
//	trees.CARTDecisionTreeClassifier, CARTDecisionTreeRegressor  objects
//	linear_models.LinearRegression                             objects
//	linear_models.LogisticRegression                           objects, with package liblinear below this one, which needs cgo
//	linear_models.LinearSVC                                    files; objects with package liblinear
//	neural.MultiLayerNet                                       objects
//
// The package does not import golearn: objects are read by reflection, most of their numbers being unexported, and files by their format. So the command line
// reads golearn's files and links none of golearn. It was checked against golearn v0.0.0-20221228163002-74ae077eafb2; a type whose fields are named differently
// gives an error.
//
// # What golearn does and this package does not
//
// An imported model computes what the trained numbers say. Where golearn's own Predict does something else, the report's warnings name it:
//
//   - LogisticRegression and LinearSVC leave out features that are zero or negative (linear_models.convert_vector); here they count.
//   - MultiLayerNet decides a categorical class by its first hidden units instead of its outputs (neural/layered.go, Predict); here the outputs decide.
//   - BaggedModel and RandomForest break ties of votes by the order of a map, that is at random; here the first class in the order of the class attribute wins.
//   - A value of a categorical attribute that a split never saw in training goes to a child at random; here it gets the majority class of the split.
//   - RandomForest trains on rows with shuffled labels unless it uses all features: InstancesView.MapOverRows ignores which rows were drawn. No importer can
//     mend such a forest; its trees are imported as they are.
//
// The order of golearn's attributes changes from run to run where it comes from a map. Features are therefore taken by name.
package golearn
