package tfhe

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func secretKeyFile(t testing.TB, sk *SecretKey) []byte {
	t.Helper()
	var buf bytes.Buffer
	if n, err := sk.WriteTo(&buf); err != nil || n != int64(buf.Len()) {
		t.Fatalf("%d of %d bytes written: %v", n, buf.Len(), err)
	}
	return buf.Bytes()
}

func evaluationKeyFile(t testing.TB, ek *EvaluationKey) []byte {
	t.Helper()
	var buf bytes.Buffer
	if n, err := ek.WriteTo(&buf); err != nil || n != int64(buf.Len()) {
		t.Fatalf("%d of %d bytes written: %v", n, buf.Len(), err)
	}
	return buf.Bytes()
}

func TestSecretKeyFile(t *testing.T) {
	for _, lit := range []ParametersLiteral{ternarySet, set4} {
		k := keysOf(t, lit)
		file := secretKeyFile(t, k.sk)
		got, err := ReadSecretKey(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.coeffs(), k.sk.coeffs()) || got.ID() != k.sk.ID() || got.Parameters() != k.p {
			t.Fatal("another key comes back")
		}
		// It decrypts what the first encrypted.
		message := randomWords(k.p.N())
		phase := make([]uint64, k.p.N())
		NewDecryptor(got).GLWE(phase, k.encrypt(message))
		for i := range phase {
			if math.Abs(torus(phase[i]-message[i])) > 8*math.Exp2(lit.Log2SigmaGLWE) {
				t.Fatal("the key that comes back does not decrypt")
			}
		}
		for i := range file {
			if _, err := ReadSecretKey(bytes.NewReader(file[:i])); err == nil {
				t.Fatalf("%d of %d bytes are accepted", i, len(file))
			}
			bad := slices.Clone(file)
			bad[i] ^= byte(1 << (i % 8))
			if _, err := ReadSecretKey(bytes.NewReader(bad)); err == nil {
				t.Fatalf("byte %d changed: accepted", i)
			}
		}
	}
}

// TestSecretKeyFileForged: files whose hash is right and whose content is not. Errors show no coefficients.
func TestSecretKeyFileForged(t *testing.T) {
	k := keysOf(t, ternarySet)
	head := AppendParameters(nil, k.p)
	coeffs := make([]byte, k.p.BigDimension())
	h := Header{Kind: KindSecretKey, Version: keyVersion, Params: k.p.Hash(), Key: k.sk.id}
	heavy := bytes.Repeat([]byte{1}, len(coeffs))
	two := slices.Clone(coeffs)
	two[77] = 2
	toyKey := keysOf(t, toy).sk
	for _, c := range []struct {
		name    string
		h       Header
		payload []byte
		want    string
	}{
		{"a coefficient of 2", h, slices.Concat(head, two), "damaged"},
		{"a heavy key", h, slices.Concat(head, heavy), "weight"},
		{"one coefficient missing", h, slices.Concat(head, coeffs[1:]), "does not match"},
		{"one coefficient too many", h, slices.Concat(head, coeffs, []byte{0}), "does not match"},
		{"another hash of parameters", Header{Kind: KindSecretKey, Version: keyVersion}, slices.Concat(head, coeffs), "does not match"},
		{"no parameters", h, nil, "cut short"},
		{"parameters of nothing", h, []byte{0, 0, 0, 0}, "parameters"},
		{"parameters that announce too much", h, []byte{255, 255, 255, 255}, "cut short"},
		{"another version", Header{Kind: KindSecretKey, Version: keyVersion + 1}, nil, "version"},
		{"another kind", Header{Kind: KindEvaluationKey, Version: keyVersion}, nil, "this is an evaluation key of fhe-ml where a secret key"},
		{"an insecure set", Header{Kind: KindSecretKey, Version: keyVersion, Params: toyKey.params.Hash()}, secretKeyFile(t, toyKey)[headerBytes:], "128 bits"},
	} {
		_, err := ReadSecretKey(bytes.NewReader(fileOf(t, c.h, c.payload)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := ReadSecretKey(bytes.NewReader(nil)); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty file: %v", err)
	}
	// An all-zero key is light, and read: a hash cannot tell.
	if _, err := ReadSecretKey(bytes.NewReader(fileOf(t, h, head, coeffs))); err != nil {
		t.Error(err)
	}
	// A toy key is written, for a test's own use, and refused by the reader.
	if _, err := ReadSecretKey(bytes.NewReader(secretKeyFile(t, toyKey))); err == nil {
		t.Error("an insecure key is read")
	}
	if _, err := ReadEvaluationKey(bytes.NewReader(evaluationKeyFile(t, keysOf(t, toy).ek))); err == nil {
		t.Error("an insecure evaluation key is read")
	}
}

func TestEvaluationKeyFile(t *testing.T) {
	k := keysOf(t, set4)
	file := evaluationKeyFile(t, k.ek)
	got, err := ReadEvaluationKey(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.bsk, k.ek.bsk) || !slices.Equal(got.ksk, k.ek.ksk) || got.seed != k.ek.seed || got.ID() != k.ek.ID() || got.Parameters() != k.p {
		t.Fatal("another key comes back")
	}
	// 10 places of some 30 MB, and the header and the end in full steps.
	places := []int{0, 1, headerBytes - 1, headerBytes, headerBytes + 3, headerBytes + 60, headerBytes + 150, len(file) / 3, len(file) - 33, len(file) - 1}
	for _, i := range places {
		if _, err := ReadEvaluationKey(bytes.NewReader(file[:i])); err == nil {
			t.Errorf("%d of %d bytes are accepted", i, len(file))
		}
		file[i] ^= 4
		if _, err := ReadEvaluationKey(bytes.NewReader(file)); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
		file[i] ^= 4
	}
	// Payloads with the right hash of the wrong length.
	payload := file[headerBytes : len(file)-32]
	h := Header{Kind: KindEvaluationKey, Version: keyVersion, Params: k.p.Hash(), Key: k.ek.id}
	for _, cut := range []int{8, 1, len(payload) - 200, len(payload)} {
		if _, err := ReadEvaluationKey(bytes.NewReader(fileOf(t, h, payload[cut:]))); err == nil {
			t.Errorf("a payload without its first %d bytes is accepted", cut)
		}
		if _, err := ReadEvaluationKey(bytes.NewReader(fileOf(t, h, payload[:len(payload)-cut]))); err == nil {
			t.Errorf("a payload without its last %d bytes is accepted", cut)
		}
	}
	if _, err := ReadEvaluationKey(bytes.NewReader(fileOf(t, h, payload, []byte{0}))); err == nil {
		t.Error("a payload with a byte more is accepted")
	}
	if _, err := ReadEvaluationKey(bytes.NewReader(fileOf(t, Header{Kind: KindEvaluationKey, Version: keyVersion}, payload))); err == nil {
		t.Error("another hash of the parameters is accepted")
	}
}

// TestEvaluationKeyHeaderOnly: without lookups the key is a header, and every cut and change of it is noticed.
func TestEvaluationKeyHeaderOnly(t *testing.T) {
	k := keysOf(t, ternarySet)
	file := evaluationKeyFile(t, k.ek)
	if len(file) > 400 {
		t.Errorf("%d bytes", len(file))
	}
	got, err := ReadEvaluationKey(bytes.NewReader(file))
	if err != nil || got.ID() != k.sk.ID() || got.Parameters() != k.p {
		t.Fatalf("%v, %v", got, err)
	}
	if server, err := NewServerKey(context.Background(), got, nil); server != nil || err != nil {
		t.Errorf("a server key without lookups: %v, %v", server, err)
	}
	for i := range file {
		if _, err := ReadEvaluationKey(bytes.NewReader(file[:i])); err == nil {
			t.Errorf("%d of %d bytes are accepted", i, len(file))
		}
		for b := range 8 {
			bad := slices.Clone(file)
			bad[i] ^= 1 << b
			if _, err := ReadEvaluationKey(bytes.NewReader(bad)); err == nil {
				t.Errorf("bit %d of byte %d changed: accepted", b, i)
			}
		}
	}
	if _, err := ReadEvaluationKey(bytes.NewReader(secretKeyFile(t, k.sk))); err == nil || !strings.Contains(err.Error(), "this is a secret key") {
		t.Errorf("a secret key is taken for an evaluation key: %v", err)
	}
	if _, err := ReadEvaluationKey(bytes.NewReader(nil)); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty file: %v", err)
	}
}

// TestKeyFileAnnouncesTooMuch: parameters of a large key without the key take no memory for it.
func TestKeyFileAnnouncesTooMuch(t *testing.T) {
	p := parametersOf(t, set4)
	h := Header{Kind: KindEvaluationKey, Version: keyVersion, Params: p.Hash()}
	file := fileOf(t, h, AppendParameters(nil, p), make([]byte, 32))
	if taken := allocated(func() {
		if _, err := ReadEvaluationKey(bytes.NewReader(file)); err == nil {
			t.Error("a key without its words is accepted")
		}
	}); taken > 1<<20 {
		t.Errorf("%d bytes of memory are taken", taken)
	}
	// A CBOR array or string that announces 2^40 elements inside of the parameters.
	for _, major := range []byte{0x9b, 0x5b, 0x7b, 0xbb} {
		body := append([]byte{major}, binary.BigEndian.AppendUint64(nil, 1<<40)...)
		data := append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
		if taken := allocated(func() {
			if _, _, err := ParseParameters(data); err == nil {
				t.Errorf("major type %x is accepted", major)
			}
		}); taken > 1<<20 {
			t.Errorf("major type %x takes %d bytes of memory", major, taken)
		}
	}
}

// TestKeyErrorsAreSilent: no error of a damaged secret key prints a coefficient.
func TestKeyErrorsAreSilent(t *testing.T) {
	k := keysOf(t, ternarySet)
	payload := slices.Clone(secretKeyFile(t, k.sk)[headerBytes:])
	payload = payload[:len(payload)-32]
	payload[len(payload)-5] = 0x5a // 90
	_, err := ReadSecretKey(bytes.NewReader(fileOf(t, Header{Kind: KindSecretKey, Version: keyVersion, Params: k.p.Hash(), Key: k.sk.id}, payload)))
	if err == nil || strings.ContainsAny(fmt.Sprintf("%+v", err), "0123456789") {
		t.Errorf("error %v", err)
	}
}
