package onnx

// handler evaluates one operator. It returns one value per output that it can compute (missing ones are nil).
type handler func(t *translator, o *operation, in []value) ([]value, error)

// handlers lists the supported operators.
func handlers() map[opKey]handler {
	table := map[opKey]handler{
		{"", "Constant"}:           constantOp,
		{"", "Identity"}:           identity,
		{"", "Dropout"}:            identity,
		{"", "Cast"}:               cast,
		{"", "Transpose"}:          transpose,
		{"", "Reshape"}:            reshape,
		{"", "Flatten"}:            flatten,
		{"", "Squeeze"}:            squeeze,
		{"", "Unsqueeze"}:          unsqueeze,
		{"", "Shape"}:              shapeOp,
		{"", "Gather"}:             gather,
		{"", "Slice"}:              slice,
		{"", "Concat"}:             concat,
		{"", "Add"}:                arithmetic,
		{"", "Sub"}:                arithmetic,
		{"", "Mul"}:                arithmetic,
		{"", "Div"}:                arithmetic,
		{"", "Sum"}:                sum,
		{"", "Neg"}:                negate,
		{"", "Reciprocal"}:         reciprocal,
		{"", "ReduceSum"}:          reduce,
		{"", "ReduceMean"}:         reduce,
		{"", "ReduceProd"}:         reduce,
		{"", "ReduceLogSumExp"}:    reduce,
		{"", "ConstantOfShape"}:    constantOfShape,
		{"", "Pow"}:                pow,
		{"", "Log"}:                unary,
		{"", "Sqrt"}:               unary,
		{"", "Less"}:               compare,
		{"", "LessOrEqual"}:        compare,
		{"", "Greater"}:            compare,
		{"", "GreaterOrEqual"}:     compare,
		{"", "Equal"}:              compare,
		{"", "Where"}:              where,
		{"", "MatMul"}:             matmulOp,
		{"", "Gemm"}:               gemm,
		{"", "BatchNormalization"}: batchNormalization,
		{"", "Abs"}:                unary,
		{"", "Not"}:                not,
		{"", "LpNormalization"}:    lpNormalization,
		{"", "Relu"}:               activation,
		{"", "Sigmoid"}:            activation,
		{"", "Tanh"}:               activation,
		{"", "Exp"}:                unary,
		{"", "Clip"}:               clipColumns,
		{"", "Softmax"}:            softmax,
		{"", "LogSoftmax"}:         softmax,
		{"", "ArgMax"}:             argMax,
		{"", "Conv"}:               conv,
		{"", "AveragePool"}:        averagePool,
		{"", "GlobalAveragePool"}:  globalAveragePool,
		{"", "MaxPool"}:            maxPool,
		{"", "Pad"}:                pad,
		{"", "PRelu"}:              prelu,
		{"", "Max"}:                extreme,
		{"", "Min"}:                extreme,

		{domainML, "Scaler"}:                 scaler,
		{domainML, "Normalizer"}:             normalizer,
		{domainML, "LinearRegressor"}:        linearRegressor,
		{domainML, "LinearClassifier"}:       linearClassifier,
		{domainML, "TreeEnsembleRegressor"}:  treeRegressor,
		{domainML, "TreeEnsembleClassifier"}: treeClassifier,
		{domainML, "ArrayFeatureExtractor"}:  arrayFeatureExtractor,
		{domainML, "LabelEncoder"}:           labelEncoder,
		{domainML, "SVMRegressor"}:           svmRegressor,
		{domainML, "SVMClassifier"}:          svmClassifier,
		{domainML, "TreeEnsemble"}:           treeEnsemble5,
		{domainML, "ZipMap"}:                 zipMap,
		{domainML, "Imputer"}:                imputer,
		{domainML, "Binarizer"}:              binarizer,
		{domainML, "OneHotEncoder"}:          oneHotEncoder,
		{domainML, "FeatureVectorizer"}:      featureVectorizer,
	}
	for name, h := range activationHandlers() {
		table[opKey{"", name}] = h
	}
	return table
}

// hintFor names the way out for operators that users meet.
func hintFor(o *operation) string {
	switch o.op {
	case "Scan", "Loop", "If", "TopK":
		return "models with control flow, such as nearest neighbours, cannot be evaluated on encrypted data"
	case "GlobalMaxPool":
		return "the maximum of encrypted values is not supported; train the model with average pooling (GlobalAveragePool) and export it again"
	case "ConvTranspose", "LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN":
		return "supported in networks are Conv, AveragePool, GlobalAveragePool, BatchNormalization, Gemm, MatMul and activations; train the model with these and export it again"
	case "LSTM", "GRU", "RNN":
		return "recurrent layers cannot be imported; train a feed-forward network and export that"
	case "DictVectorizer", "StringNormalizer", "Tokenizer", "TfIdfVectorizer", "CategoryMapper", "CastMap":
		return "apply this preprocessing before the model and export the rest"
	}
	return "supported are linear and additive models, trees and their ensembles, dense and convolutional networks; export the model without this operator, or another one"
}

// markRest reports, behind a failure at node i, which operators exist.
func (t *translator) markRest(i int, table map[opKey]handler) {
	for k := i; k < len(t.rec.ops); k++ {
		o := t.rec.ops[k]
		if _, ok := table[opKey{o.domain, o.op}]; !ok {
			t.report.Nodes[k].Use = "not supported"
		}
	}
}

// use says in one word what became of a node.
func use(o *operation, out []value) string {
	switch o.op {
	case "TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble":
		return "trees"
	case "LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor", "MatMul", "Gemm", "Conv", "AveragePool", "GlobalAveragePool":
		if _, ok := out[0].(*constant); !ok {
			return "affine"
		}
	case "Relu", "Tanh", "Sigmoid", "Exp":
		if _, ok := out[0].(*vector); ok {
			return "activation"
		}
	case "Softmax", "LogSoftmax", "Normalizer", "LpNormalization", "ZipMap":
		return "scores"
	}
	switch v := out[0].(type) {
	case *constant:
		return "constant"
	case *labels:
		return "label"
	case *vector:
		if v.base.kind == basisFunction && v.base.node == o {
			return "activation"
		}
		if v.base.kind != basisFeatures {
			return "folded"
		}
		return "affine"
	}
	return "folded"
}
