package golearn

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// importNetwork reads a MultiLayerNet. Its neurons are numbered through: inputs, hidden layers, outputs; weights[target][source] is dense over all of them, and
// nothing but neighbouring layers is connected. Hidden and output neurons are sigmoids.
func importNetwork(v reflect.Value, opt Options, r *Report) (models.Model, error) {
	n, err := readNet(v)
	if err != nil {
		return nil, err
	}
	inputs, outputs := n.sizes[0], n.sizes[len(n.sizes)-1]
	names, at, err := featureNames(n.names[:inputs], opt)
	if err != nil {
		return nil, err
	}
	post, err := n.post(n.names[len(n.names)-outputs:], opt, r)
	if err != nil {
		return nil, err
	}
	layers, err := n.layers(len(names), at)
	if err != nil {
		return nil, err
	}
	info := models.Info{Features: names, Named: true, Producer: producer, Post: post}
	if len(layers) == 1 {
		return &models.Linear{Info: info, Weights: layers[0].Weights, Bias: layers[0].Bias}, nil
	}
	if post.Task == quantize.Classify && outputs > 1 {
		r.warn("golearn's own Predict looks at the first hidden units where it should look at the outputs; here the largest output decides")
	}
	return &models.Network{Info: info, Layers: layers}, nil
}

// net is a MultiLayerNet's content.
type net struct {
	sizes   []int    // neurons of each layer: inputs, hidden ones, outputs
	names   []string // attributes of the inputs, then of the outputs
	weights []float64
	stride  int
	biases  []float64
}

// maxNeurons bounds a network: golearn holds their square.
const maxNeurons = 1 << 14

func readNet(v reflect.Value) (*net, error) {
	network, err := field(v, "network", reflect.Struct)
	if err != nil {
		return nil, err
	}
	hidden, err := field(v, "layers", reflect.Slice)
	if err != nil {
		return nil, err
	}
	attrs, err := field(v, "attrs", reflect.Map)
	if err != nil {
		return nil, err
	}
	numbers := map[string]int{}
	for _, f := range []struct {
		of   reflect.Value
		name string
	}{{network, "size"}, {network, "input"}, {v, "classAttrCount"}} {
		x, err := field(f.of, f.name, reflect.Int)
		if err != nil {
			return nil, err
		}
		if numbers[f.name] = int(x.Int()); numbers[f.name] < 1 || numbers[f.name] > maxNeurons {
			return nil, fmt.Errorf("%s is %d, want 1 to %d", f.name, x.Int(), maxNeurons)
		}
	}
	n := &net{sizes: []int{numbers["input"]}}
	size, sum := numbers["size"], numbers["input"]
	for i := range hidden.Len() {
		h := int(hidden.Index(i).Int())
		if h < 1 || h > size {
			return nil, fmt.Errorf("hidden layer %d has %d units; a layer needs one", i, h)
		}
		n.sizes = append(n.sizes, h)
		sum += h
	}
	// A second Fit adds to classAttrCount; the outputs are what is left.
	outputs := size - sum
	if outputs < 1 || numbers["classAttrCount"]%outputs != 0 {
		return nil, fmt.Errorf("%d neurons do not make up its layers; fit the model again", size)
	}
	n.sizes = append(n.sizes, outputs)
	if err := n.readNames(attrs, sum); err != nil {
		return nil, err
	}
	dense, err := field(network, "weights", reflect.Struct)
	if err != nil {
		return nil, err
	}
	general, err := field(dense, "mat", reflect.Struct)
	if err != nil {
		return nil, err
	}
	data, err := field(general, "Data", reflect.Slice)
	if err != nil {
		return nil, err
	}
	stride, err := field(general, "Stride", reflect.Int)
	if err != nil {
		return nil, err
	}
	biases, err := field(network, "biases", reflect.Slice)
	if err != nil {
		return nil, err
	}
	n.weights, n.stride, n.biases = readFloats(data), int(stride.Int()), readFloats(biases)
	if n.stride < size || len(n.weights) < (size-1)*n.stride+size || len(n.biases) != size {
		return nil, fmt.Errorf("%d weights and %d biases for %d neurons", len(n.weights), len(n.biases), size)
	}
	return n, nil
}

// readNames reads which attribute belongs to which input and output. first is the number of the first output. An attribute of an earlier Fit may be there too: the
// pointers are the keys, the last neuron of a name counts.
func (n *net) readNames(attrs reflect.Value, first int) error {
	inputs, outputs := n.sizes[0], n.sizes[len(n.sizes)-1]
	n.names = make([]string, inputs+outputs)
	for it := attrs.MapRange(); it.Next(); {
		a, ok, err := readAttribute(it.Key())
		if err != nil {
			return err
		}
		if !ok || a.kind != attrFloat {
			return fmt.Errorf("a neuron's attribute is not a number")
		}
		at := int(it.Value().Int())
		switch {
		case at >= 0 && at < inputs:
		case at >= first && at < first+outputs:
			at += inputs - first
		default:
			return fmt.Errorf("attribute %q belongs to neuron %d, which is neither input nor output", a.name, at)
		}
		if n.names[at] != "" && n.names[at] != a.name {
			return fmt.Errorf("a neuron belongs to two attributes, %q and %q: the model was fitted twice, make a new one and fit it once", n.names[at], a.name)
		}
		n.names[at] = a.name
	}
	if i := slices.Index(n.names, ""); i >= 0 {
		return fmt.Errorf("a neuron has no attribute, or one without a name; name all columns")
	}
	return nil
}

// layers cuts the matrix into layers over the given number of features; at holds the feature of each input. What lies outside the layers must be zero, but for
// the inputs' weights on themselves, which are 1.
func (n *net) layers(features int, at []int) ([]models.Layer, error) {
	var out []models.Layer
	from := 0
	for l, size := range n.sizes[1:] {
		to := from + n.sizes[l]
		layer := models.Layer{Activation: models.ActSigmoid}
		for u := to; u < to+size; u++ {
			row := n.weights[u*n.stride : u*n.stride+len(n.biases)]
			for s, w := range row {
				if w != 0 && (s < from || s >= to) {
					return nil, fmt.Errorf("neuron %d reads neuron %d, which is not in the layer before it", u, s)
				}
			}
			weights := slices.Clone(row[from:to])
			if l == 0 {
				weights = make([]float64, features)
				for s, w := range row[from:to] {
					weights[at[s]] = w
				}
			}
			layer.Weights, layer.Bias = append(layer.Weights, weights), append(layer.Bias, n.biases[u])
		}
		out = append(out, layer)
		from = to
	}
	for u := range n.sizes[0] {
		for s, w := range n.weights[u*n.stride : u*n.stride+len(n.biases)] {
			if (s == u) != (w == 1) || s != u && w != 0 || n.biases[u] != 0 {
				return nil, fmt.Errorf("input %d does more than pass its value on", u)
			}
		}
	}
	out[len(out)-1].Activation = models.ActIdentity // the outputs' sigmoid is the link
	return out, nil
}

// post decides what the outputs are. A class attribute of more than two values has one output per value, named Class_value; one of two values has a single output
// with the name of the attribute, as a number has.
func (n *net) post(names []string, opt Options, r *Report) (quantize.Postprocessing, error) {
	prefix := opt.Class + "_"
	if opt.Class == "" && len(names) > 1 {
		prefix = common(names)
	}
	classes := opt.Classes
	if len(names) > 1 {
		classes = nil
		for _, s := range names {
			if value, ok := strings.CutPrefix(s, prefix); ok && prefix != "" {
				classes = append(classes, value)
			}
		}
		if len(classes) != len(names) {
			classes = nil
		}
	} else if classes != nil && len(classes) != 2 {
		return quantize.Postprocessing{}, fmt.Errorf("a network with one output has two classes, %d are given", len(classes))
	} else if classes == nil && opt.Task == TaskClassify {
		classes = []string{"0", "1"}
	}
	if opt.Task == TaskRegress || classes == nil && opt.Task == TaskAuto {
		if len(names) == 1 {
			r.warn("the one output is imported as a number from 0 to 1; where it stands for a class of two values, give these as Options.Classes")
		}
		return quantize.Postprocessing{Task: quantize.Regress, Link: quantize.LinkSigmoid, Outputs: len(names)}, nil
	}
	if classes == nil {
		return quantize.Postprocessing{}, fmt.Errorf("the outputs %q do not begin with the name of one class attribute; give it as Options.Class", names)
	}
	p, err := classifier(classes, quantize.LinkSigmoid, 0) // the sigmoid of 0 is 0.5
	if len(names) > 1 {
		p.Outputs, p.Pair = len(names), quantize.PairNone
	}
	return p, err
}

// common is what all names begin with, up to the last underscore of it.
func common(names []string) string {
	p := names[0]
	for _, s := range names[1:] {
		for !strings.HasPrefix(s, p) {
			p = p[:len(p)-1]
		}
	}
	return p[:strings.LastIndex(p, "_")+1]
}
