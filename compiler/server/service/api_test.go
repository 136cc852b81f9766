package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
)

// document is what the tests read of the OpenAPI description.
type document struct {
	OpenAPI    string                                `json:"openapi"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Responses map[string]struct {
		Content map[string]struct {
			Schema *schema `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

// schema is the part of JSON Schema that the description uses; a test holds it to that.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        string             `json:"type"`
	Description string             `json:"description"`
	Pattern     string             `json:"pattern"`
	Enum        []string           `json:"enum"`
	Items       *schema            `json:"items"`
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Additional  *bool              `json:"additionalProperties"`
}

// api checks every answer against the description and remembers which were seen.
type api struct {
	t       *testing.T
	doc     document
	ops     map[string]operation // "GET /path"
	seen    map[string]bool      // "GET /path 200"
	handler http.Handler
}

func newAPI(t *testing.T, s *Service) *api {
	t.Helper()
	a := &api{t: t, ops: map[string]operation{}, seen: map[string]bool{}, handler: s.Handler()}
	dec := json.NewDecoder(bytes.NewReader(OpenAPI))
	if err := dec.Decode(&a.doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range a.doc.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op operation
			strict := json.NewDecoder(bytes.NewReader(raw))
			if err := strict.Decode(&op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			a.ops[strings.ToUpper(method)+" "+path] = op
		}
	}
	return a
}

// validate checks a value against a schema.
func (a *api) validate(at string, s *schema, v any) error {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		if s = a.doc.Components.Schemas[name]; s == nil {
			return fmt.Errorf("%s: no schema %s", at, name)
		}
	}
	switch v := v.(type) {
	case string:
		if s.Type != "string" || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) || s.Enum != nil && !slices.Contains(s.Enum, v) {
			return fmt.Errorf("%s: %q is not what the description says", at, v)
		}
	case float64:
		if s.Type != "integer" || v != float64(int64(v)) {
			return fmt.Errorf("%s: %v is not a %s", at, v, s.Type)
		}
	case bool:
		if s.Type != "boolean" {
			return fmt.Errorf("%s: %v is not a %s", at, v, s.Type)
		}
	case []any:
		if s.Type != "array" {
			return fmt.Errorf("%s: an array is not a %s", at, s.Type)
		}
		for i, item := range v {
			if err := a.validate(fmt.Sprintf("%s[%d]", at, i), s.Items, item); err != nil {
				return err
			}
		}
	case map[string]any:
		if s.Type != "object" {
			return fmt.Errorf("%s: an object is not a %s", at, s.Type)
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				return fmt.Errorf("%s: no %s", at, name)
			}
		}
		for name, item := range v {
			p := s.Properties[name]
			if p == nil {
				if s.Additional != nil && !*s.Additional {
					return fmt.Errorf("%s: %s is not described", at, name)
				}
				continue
			}
			if err := a.validate(at+"."+name, p, item); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%s: %T", at, v)
	}
	return nil
}

// call sends a request to the handler and checks the answer. path has the concrete names; route is that of the description.
func (a *api) call(method, route, path string, body io.Reader, length int64, want int) []byte {
	a.t.Helper()
	r := httptest.NewRequest(method, path, body)
	r.ContentLength = length
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	op, ok := a.ops[method+" "+route]
	if !ok {
		a.t.Fatalf("%s %s is not described", method, route)
	}
	if w.Code != want {
		a.t.Fatalf("%s %s: status %d, want %d: %s", method, path, w.Code, want, w.Body)
	}
	status := fmt.Sprint(w.Code)
	described, ok := op.Responses[status]
	if !ok {
		a.t.Fatalf("%s %s: status %s is not described", method, route, status)
	}
	a.seen[method+" "+route+" "+status] = true
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	content, ok := described.Content[kind]
	if !ok && (len(described.Content) > 0 || w.Body.Len() > 0) {
		a.t.Fatalf("%s %s: %q with status %s is not described", method, route, kind, status)
	}
	if kind == "application/json" {
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			a.t.Fatalf("%s %s: %v", method, path, err)
		}
		if err := a.validate("body", content.Schema, v); err != nil {
			a.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return w.Body.Bytes()
}

// code is the code of an error.
func code(t *testing.T, body []byte) string {
	t.Helper()
	var e Error
	if err := json.Unmarshal(body, &e); err != nil || e.Error == "" || strings.Contains(e.Error, "\n") {
		t.Fatalf("%s: %v", body, err)
	}
	return e.Code
}

// offered is a model with everything that a test needs.
type offered struct {
	graph   *compiler.Graph
	circuit *compiler.Circuit
}

func compile(t *testing.T, g *compiler.Graph, prefer compiler.Prefer) offered {
	t.Helper()
	c, err := compiler.Compile(g, compiler.CompileOptions{Log2PFail: -40, Prefer: prefer})
	if err != nil {
		t.Fatal(err)
	}
	return offered{g, c}
}

// tree needs an evaluation key, linear none.
func tree() *compiler.Graph {
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{7})
	g.Output(g.Reshape(g.Where(g.LessEqual(g.GetItem(x, 0), g.Scalar(3)), g.Where(g.Greater(g.GetItem(x, 1), g.Scalar(5)), g.Scalar(100), g.Scalar(-200)), g.Scalar(40)), 1))
	return g
}

func linear() *compiler.Graph {
	g := compiler.NewGraph()
	x := g.Input("x", []int{2}, []int64{0}, []int64{7})
	g.Output(g.MatMul(x, g.Constant(compiler.Array{Shape: []int{2, 1}, Data: []int64{11, -7}})))
	return g
}

// party is a client with its keys.
type party struct {
	keys   *client.Keys
	client *client.Client
	name   string // of the evaluation key
	file   []byte // the evaluation key
}

func newParty(t *testing.T, o offered) *party {
	t.Helper()
	keys, err := client.GenerateKeys(t.Context(), &o.circuit.Spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(&o.circuit.Spec, keys.Secret)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := keys.Evaluation.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	return &party{keys: keys, client: c, name: sumOf(file.Bytes()), file: file.Bytes()}
}

// requests are a batch of n rows, and the rows.
func (p *party) requests(t *testing.T, n int) ([]byte, [][]int64) {
	t.Helper()
	var file bytes.Buffer
	b, err := p.client.NewBatch(&file, n)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]int64
	for i := range int64(n) {
		row := []int64{(5*i + 2) % 8, (3 * i) % 8}
		rows = append(rows, row)
		if err := b.Encrypt(row); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes(), rows
}

// check decrypts a batch of responses and compares it with the graph.
func (p *party) check(o offered, responses []byte, rows [][]int64) error {
	b, err := p.client.OpenBatch(bytes.NewReader(responses))
	if err != nil {
		return err
	}
	for i, row := range rows {
		got, err := b.Decrypt()
		if err != nil {
			return err
		}
		want, err := o.graph.Eval(map[string][]int64{"x": row})
		if err != nil || !slices.Equal(got, want[0]) {
			return fmt.Errorf("row %d: %v encrypted, %v in the clear (%v)", i, got, want[0], err)
		}
	}
	if _, err := b.Decrypt(); err != io.EOF {
		return fmt.Errorf("more rows than were sent: %v", err)
	}
	return nil
}
