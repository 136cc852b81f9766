package tfhe

import (
	"bytes"
	"testing"
)

func FuzzReadFile(f *testing.F) {
	f.Add([]byte(nil), uint16(1), uint16(1))
	f.Add([]byte(magic), uint16(1), uint16(1))
	file := fileOf(f, Header{Kind: KindResponse, Version: 2}, []byte("payload"))
	f.Add(file, uint16(4), uint16(2))
	f.Add(append(file, file...), uint16(4), uint16(2))
	f.Fuzz(func(t *testing.T, data []byte, kind, version uint16) {
		r := bytes.NewReader(data)
		h, payload, err := ReadFile(r, Kind(kind), version, 1<<30)
		if err != nil {
			if payload != nil {
				t.Fatal("a payload comes with an error")
			}
			return
		}
		// What is accepted is what WriteFile writes, but for the four reserved bytes.
		again := fileOf(t, h, payload)
		read := data[:len(data)-r.Len()]
		if len(again) != len(read) || !bytes.Equal(again[:12], read[:12]) || !bytes.Equal(again[16:len(again)-32], read[16:len(read)-32]) {
			t.Fatal("an accepted file is not what would be written")
		}
		if k, ok := PeekKind(data); !ok || k != h.Kind {
			t.Fatal("PeekKind disagrees")
		}
	})
}

func FuzzReadSecretKey(f *testing.F) {
	k := keysOf(f, ternarySet)
	file := secretKeyFile(f, k.sk)
	f.Add(file[headerBytes : len(file)-32])
	f.Add(secretKeyFile(f, keysOf(f, toy).sk)[headerBytes:])
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		// As a file, and as the payload of a file whose hashes are right: the parser behind them has to hold on its own.
		if _, err := ReadSecretKey(bytes.NewReader(data)); err == nil {
			t.Log("a whole file was found")
		}
		p, _, err := ParseParameters(data)
		if err != nil {
			p = Parameters{}
		}
		h := Header{Kind: KindSecretKey, Version: keyVersion, Params: p.Hash()}
		sk, err := ReadSecretKey(bytes.NewReader(fileOf(t, h, data)))
		if err != nil {
			return
		}
		if !sk.params.Secure() || !keyAdmitted(sk.params, sk.coeffs()) || len(sk.coeffs()) != sk.params.BigDimension() {
			t.Fatal("a broken key is accepted")
		}
		again, err := ReadSecretKey(bytes.NewReader(secretKeyFile(t, sk)))
		if err != nil || again.params != sk.params {
			t.Fatalf("an accepted key does not come back: %v", err)
		}
	})
}

func FuzzReadEvaluationKey(f *testing.F) {
	file := evaluationKeyFile(f, keysOf(f, ternarySet).ek)
	f.Add(file)
	f.Add(file[headerBytes : len(file)-32])
	f.Add(append(AppendParameters(nil, parametersOf(f, set4)), make([]byte, 100)...))
	p := parametersOf(f, packedTernary)
	f.Add(append(AppendParameters(nil, p), make([]byte, 32+p.EvaluationKeyBytes())...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ReadEvaluationKey(bytes.NewReader(data)); err == nil {
			t.Log("a whole file was found")
		}
		p, _, err := ParseParameters(data)
		if err != nil {
			p = Parameters{}
		}
		h := Header{Kind: KindEvaluationKey, Version: keyVersion, Params: p.Hash()}
		ek, err := ReadEvaluationKey(bytes.NewReader(fileOf(t, h, data)))
		if err != nil {
			return
		}
		size := 8*len(ek.bsk) + 4*len(ek.ksk)
		if ek.expansion != nil {
			size += len(ek.expansion.seed) + 8*len(ek.expansion.bodies)
		}
		if !ek.params.Secure() || int64(size) != ek.params.EvaluationKeyBytes() {
			t.Fatal("a broken key is accepted")
		}
	})
}

func FuzzParseParameters(f *testing.F) {
	for _, lit := range []ParametersLiteral{ternarySet, set4, set5, toy, packedTernary, packedLookups} {
		f.Add(AppendParameters(nil, parametersOf(f, lit)))
	}
	f.Add([]byte{1, 0, 0, 0, 0xa0})
	f.Add([]byte{9, 0, 0, 0, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, rest, err := ParseParameters(data)
		if err != nil {
			if p != (Parameters{}) {
				t.Fatal("a set comes with an error")
			}
			return
		}
		if !p.Secure() || !bytes.HasSuffix(data, rest) || len(rest) >= len(data) {
			t.Fatalf("%+v, rest of %d in %d bytes", p, len(rest), len(data))
		}
		again, rest, err := ParseParameters(AppendParameters(nil, p))
		if err != nil || again.Hash() != p.Hash() || len(rest) != 0 {
			t.Fatalf("%+v comes back as %+v, %v", p, again, err)
		}
	})
}
