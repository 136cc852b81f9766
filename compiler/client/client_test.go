package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// spec is a specification of packed and selected inputs by hand: no compiler is needed.
func spec(levels int) *compiler.ClientSpec {
	return &compiler.ClientSpec{
		Params: tfhe.ParametersLiteral{PolyDegree: 2048, GLWEDimension: 1, Key: tfhe.TernaryKey, Log2SigmaGLWE: tfhe.MinLog2Sigma(tfhe.TernaryKey, 2048, 1),
			Select: tfhe.GadgetParams{BaseLog: 10, Levels: levels}},
		Lo: []int64{-5, 0}, Hi: []int64{10, 127},
		Packed: []int32{1, 0}, PackedWidth: 20,
		Selectors: []compiler.Selector{{Code: 0, Set: [2]uint64{1 << 3, 0}}, {Code: 1, Set: [2]uint64{0, 1 << 63}}},
		Items:     []compiler.Item{{Coeffs: []int32{0, 1, 7}, Width: 20}},
		Outputs: []compiler.Output{
			{Offset: 100, Digits: []compiler.Digit{{Item: 0, Coeff: 0, Lo: -3, Weight: 1}, {Item: 0, Coeff: 2, Lo: 0, Weight: 1000}}},
			{Digits: []compiler.Digit{{Item: 0, Coeff: 1, Lo: -1 << 19, Weight: -2}}},
		},
		Log2PFail: -128,
	}
}

// packed is spec with its selectors in a packed query.
func packed(levels int) *compiler.ClientSpec {
	s := spec(levels)
	s.Params.Packed = tfhe.PackedParams{Log2Slots: 5, Expand: tfhe.GadgetParams{BaseLog: 10, Levels: 4}, Switch: tfhe.GadgetParams{BaseLog: 12, Levels: 3}}
	return s
}

func newClient(t *testing.T, s *compiler.ClientSpec) *client.Client {
	t.Helper()
	keys, err := client.GenerateKeys(context.Background(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(s, keys.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// echo answers a request with its own packed ciphertext: coefficient 0 is code 1, coefficient 1 is code 0, the others are zero.
func echo(s *compiler.ClientSpec, req *compiler.Request) *compiler.Response {
	n := s.Params.PolyDegree
	mask := make([]uint64, n)
	tfhe.NewMaskReader(req.Seed).Next(mask, n)
	item := compiler.ResponseItem{Mask: mask}
	for _, c := range s.Items[0].Coeffs {
		item.Bodies = append(item.Bodies, req.Packed[c])
	}
	return &compiler.Response{Spec: req.Spec, Key: req.Key, ID: req.ID, Items: []compiler.ResponseItem{item}}
}

func TestEncryptDecrypt(t *testing.T) {
	for _, s := range []*compiler.ClientSpec{spec(2), packed(2)} {
		encryptDecrypt(t, s)
	}
	if a, b := spec(2).SelectorWords(), packed(2).SelectorWords(); a != 2*4*2048 || b != 2048 {
		t.Errorf("two selectors take %d words, or %d packed", a, b)
	}
}

func encryptDecrypt(t *testing.T, s *compiler.ClientSpec) {
	c := newClient(t, s)
	for _, codes := range [][]int64{{-5, 0}, {10, 127}, {0, 64}, {-1, 1}} {
		req, err := c.Encrypt(codes)
		if err != nil {
			t.Fatal(err)
		}
		if got := int64(32 + 8*(len(req.Packed)+len(req.Selectors))); got != s.RequestBytes() {
			t.Errorf("request has %d bytes, RequestBytes says %d", got, s.RequestBytes())
		}
		got, err := c.Decrypt(echo(s, req), req)
		if err != nil {
			t.Fatal(err)
		}
		// A value v is decoded in [Lo, Lo+2^20): all of these are in it.
		if want := []int64{100 + codes[1], -2 * codes[0]}; got[0] != want[0] || got[1] != want[1] {
			t.Errorf("codes %v give %v, not %v", codes, got, want)
		}
		if _, noise, err := c.Open(echo(s, req)); err != nil || noise <= 0 || noise > 1e-3 {
			t.Errorf("noise %g of the gap, %v", noise, err)
		}
	}
}

// TestFreshCiphertexts checks that no two requests share a seed, an identifier or a body.
func TestFreshCiphertexts(t *testing.T) {
	freshCiphertexts(t, spec(2))
	freshCiphertexts(t, packed(2))
}

func freshCiphertexts(t *testing.T, s *compiler.ClientSpec) {
	c := newClient(t, s)
	a, err := c.Encrypt([]int64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Encrypt([]int64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if a.Seed == b.Seed || a.ID == b.ID {
		t.Error("two requests share a seed or an identifier")
	}
	for i := range a.Selectors {
		if a.Selectors[i] == b.Selectors[i] {
			t.Fatalf("two requests share word %d", i)
		}
	}
}

func TestClientErrors(t *testing.T) {
	s := spec(2)
	c := newClient(t, s)
	for _, codes := range [][]int64{nil, {1}, {1, 2, 3}, {-6, 0}, {11, 0}, {0, -1}, {0, 128}} {
		if _, err := c.Encrypt(codes); err == nil || !strings.HasPrefix(err.Error(), "client: ") {
			t.Errorf("codes %v: %v", codes, err)
		}
	}
	if _, err := c.Encrypt([]int64{0, 98765}); err == nil || strings.Contains(err.Error(), "98765") {
		t.Errorf("an error tells a private code: %v", err)
	}

	req, err := c.Encrypt([]int64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.Encrypt([]int64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Decrypt(echo(s, other), req); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("response to another request: %v", err)
	}
	if _, err := newClient(t, s).Decrypt(echo(s, req), req); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("response under another key: %v", err)
	}
	changed := *s
	changed.PackedWidth++
	if _, err := newClient(t, &changed).Decrypt(echo(s, req), req); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("response from another model: %v", err)
	}
	for name, damage := range map[string]func(r *compiler.Response){
		"no items":     func(r *compiler.Response) { r.Items = nil },
		"two items":    func(r *compiler.Response) { r.Items = append(r.Items, r.Items[0]) },
		"short mask":   func(r *compiler.Response) { r.Items[0].Mask = r.Items[0].Mask[1:] },
		"no mask":      func(r *compiler.Response) { r.Items[0].Mask = nil },
		"more bodies":  func(r *compiler.Response) { r.Items[0].Bodies = append(r.Items[0].Bodies, 1) },
		"fewer bodies": func(r *compiler.Response) { r.Items[0].Bodies = r.Items[0].Bodies[:2] },
	} {
		res := echo(s, req)
		damage(res)
		if _, err := c.Decrypt(res, req); err == nil {
			t.Errorf("%s: no error", name)
		}
	}

	keys, err := client.GenerateKeys(context.Background(), spec(3), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.New(s, keys.Secret); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("key for other parameters: %v", err)
	}
	if keys, err = client.GenerateKeys(context.Background(), packed(2), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := client.New(s, keys.Secret); !errors.Is(err, tfhe.ErrMismatch) {
		t.Errorf("key for packed selectors: %v", err)
	}
	weak := spec(2)
	weak.Params.Log2SigmaGLWE = -62
	if _, err := client.GenerateKeys(context.Background(), weak, nil); err == nil {
		t.Error("keys for insecure parameters are made")
	}
}

// TestMutatedSpecs changes specifications in ways that a file could: a client refuses them or works without a panic.
func TestMutatedSpecs(t *testing.T) {
	keys, err := client.GenerateKeys(context.Background(), spec(2), nil)
	if err != nil {
		t.Fatal(err)
	}
	packedKeys, err := client.GenerateKeys(context.Background(), packed(2), nil)
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		num := func() int64 {
			return []int64{-1, 0, 1, 2, 3, 7, 15, 20, 60, 61, 63, 64, 127, 128, 2047, 2048, 1 << 31, 1 << 40, 1<<63 - 1, -1 << 63, -1 << 40}[r.IntN(21)]
		}
		s, sk := spec(2), keys.Secret
		if r.IntN(2) == 0 {
			s, sk = packed(2), packedKeys.Secret
		}
		for range 1 + r.IntN(3) {
			switch r.IntN(17) {
			case 0:
				s.Lo[r.IntN(len(s.Lo))] = num()
			case 1:
				s.Hi[r.IntN(len(s.Hi))] = num()
			case 2:
				s.Packed = append(s.Packed, int32(num()))
			case 3:
				s.PackedWidth = int(num())
			case 4:
				s.Selectors = append(s.Selectors, compiler.Selector{Code: int32(num()), Set: [2]uint64{r.Uint64(), r.Uint64()}})
			case 5:
				s.Items = append(s.Items, compiler.Item{Coeffs: []int32{int32(num()), int32(num())}, Width: int(num())})
			case 6:
				s.Items[0].Width = int(num())
			case 7:
				s.Outputs[0].Digits[0] = compiler.Digit{Item: int32(num()), Coeff: int32(num()), Lo: num(), Weight: num()}
			case 8:
				s.Outputs[r.IntN(2)].Offset = num()
			case 9:
				s.Packed = nil
			case 10:
				s.Selectors = s.Selectors[:r.IntN(2)]
			case 11:
				s.Log2PFail = float64(num())
			case 12:
				s.Lo, s.Hi = s.Lo[:1], s.Hi[:1]
			case 13:
				s.Params.Select.Levels = int(num())
			case 14:
				s.Params.Packed.Log2Slots = int(num())
			case 15:
				s.Params.Packed.Switch.Levels = int(num())
			case 16:
				s.Params.Packed.Select.Levels = int(num())
			}
		}
		if s.Validate() != nil {
			return
		}
		c, err := client.New(s, sk)
		if err != nil {
			return
		}
		made++
		codes := make([]int64, len(s.Lo))
		for i := range codes {
			codes[i] = s.Lo[i]
			if r.IntN(2) == 0 {
				codes[i] = s.Hi[i]
			}
		}
		req, err := c.Encrypt(codes)
		if err != nil {
			t.Fatal(err)
		}
		res := &compiler.Response{Spec: req.Spec, Key: req.Key, ID: req.ID}
		for _, it := range s.Items {
			item := compiler.ResponseItem{Mask: make([]uint64, 2048), Bodies: make([]uint64, len(it.Coeffs))}
			for i := range item.Bodies {
				item.Bodies[i] = r.Uint64()
			}
			res.Items = append(res.Items, item)
		}
		if out, err := c.Decrypt(res, req); err != nil || len(out) != len(s.Outputs) {
			t.Fatalf("%d results, %v", len(out), err)
		}
	})
	if made == 0 {
		t.Error("no mutated specification was valid: the test tests nothing")
	}
}
