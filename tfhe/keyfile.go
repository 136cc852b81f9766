package tfhe

import (
	"encoding/binary"
	"fmt"
	"io"
)

// keyVersion is the format version of key files; the others bound their payloads.
const (
	keyVersion       = 1
	maxSecretKey     = 1 << 15 // 4 polynomials of 4096 coefficients, a byte each, and the parameters
	maxEvaluationKey = 1 << 30
)

// AppendParameters appends the set to dst: a length and the literal's numbers. [ParseParameters] reads it back.
func AppendParameters(dst []byte, p Parameters) []byte {
	data, err := EncodePayload(p.lit)
	if err != nil {
		panic("tfhe: internal error: parameters do not encode: " + err.Error())
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(data)))
	return append(dst, data...)
}

// ParseParameters reads a set from data, checks it as [NewParameters] does and returns the rest of data.
func ParseParameters(data []byte) (Parameters, []byte, error) {
	if len(data) < 4 {
		return Parameters{}, nil, fmt.Errorf("tfhe: parameters are cut short")
	}
	n := binary.LittleEndian.Uint32(data)
	if uint64(n) > uint64(len(data)-4) || n > 1024 {
		return Parameters{}, nil, fmt.Errorf("tfhe: parameters are cut short")
	}
	var lit ParametersLiteral
	if err := DecodePayload(data[4:4+n], &lit); err != nil {
		return Parameters{}, nil, fmt.Errorf("tfhe: parameters: %w", err)
	}
	p, err := NewParameters(lit)
	return p, data[4+n:], err
}

// WriteTo writes the key's file. Keep it where only its owner can read it.
func (sk *SecretKey) WriteTo(w io.Writer) (int64, error) {
	data := AppendParameters(nil, sk.params)
	for _, c := range sk.coeffs() {
		data = append(data, byte(int8(c)))
	}
	return WriteFile(w, Header{Kind: KindSecretKey, Version: keyVersion, Params: sk.params.Hash(), Key: sk.id}, data)
}

// ReadSecretKey reads what [SecretKey.WriteTo] wrote. Errors never show key material.
func ReadSecretKey(r io.Reader) (*SecretKey, error) {
	h, data, err := ReadFile(r, KindSecretKey, keyVersion, maxSecretKey)
	if err == nil {
		err = AtEnd(r, KindSecretKey)
	}
	if err != nil {
		return nil, eofIsShort(err, KindSecretKey)
	}
	p, rest, err := ParseParameters(data)
	if err != nil {
		return nil, err
	}
	if p.Hash() != h.Params || len(rest) != p.BigDimension() {
		return nil, FileErrorf(KindSecretKey, ErrDamaged, "tfhe: secret key does not match its parameters")
	}
	coeffs := make([]int64, len(rest))
	for i, b := range rest {
		c := int64(int8(b))
		if c < -1 || c > 1 {
			return nil, FileErrorf(KindSecretKey, ErrDamaged, "tfhe: secret key is damaged")
		}
		coeffs[i] = c
	}
	if !keyAdmitted(p, coeffs) || !keyInForm(p, coeffs) {
		return nil, FileErrorf(KindSecretKey, ErrDamaged, "tfhe: secret key is damaged: no key that fhe-ml generates has its weight")
	}
	return newSecretKey(p, h.Key, coeffs)
}

// WriteTo writes the key's file: for parameters without lookups and packed queries it is a header only.
func (k *EvaluationKey) WriteTo(w io.Writer) (int64, error) {
	data := AppendParameters(nil, k.params)
	data = append(data, k.seed[:]...)
	var expansion []byte
	if k.expansion != nil {
		expansion = k.expansion.AppendTo(nil)
	}
	return WriteFile(w, Header{Kind: KindEvaluationKey, Version: keyVersion, Params: k.params.Hash(), Key: k.id}, data, AppendWords(nil, k.bsk), appendWords32(nil, k.ksk), expansion)
}

// EvaluationKeyFileBytes is the size of the file that [EvaluationKey.WriteTo] writes for these parameters.
func (p Parameters) EvaluationKeyFileBytes() int64 {
	return FramingBytes + int64(len(AppendParameters(nil, p))) + 32 + p.EvaluationKeyBytes()
}

// ReadEvaluationKey reads what [EvaluationKey.WriteTo] wrote.
func ReadEvaluationKey(r io.Reader) (*EvaluationKey, error) {
	h, data, err := ReadFile(r, KindEvaluationKey, keyVersion, maxEvaluationKey)
	if err == nil {
		err = AtEnd(r, KindEvaluationKey)
	}
	if err != nil {
		return nil, eofIsShort(err, KindEvaluationKey)
	}
	p, rest, err := ParseParameters(data)
	if err != nil {
		return nil, err
	}
	k := &EvaluationKey{params: p, id: h.Key}
	if p.Hash() != h.Params || int64(len(rest)) != 32+p.EvaluationKeyBytes() {
		return nil, FileErrorf(KindEvaluationKey, ErrDamaged, "tfhe: evaluation key does not match its parameters")
	}
	copy(k.seed[:], rest)
	rest = rest[32:]
	if p.HasLookups() {
		k.bsk, rest, _ = Words(rest, p.bskWords())
		k.ksk, rest = words32(rest[:4*p.kskRows()]), rest[4*p.kskRows():]
	}
	if p.HasPacked() {
		if k.expansion, err = ParseExpansionKey(p, p.Packed(), k.id, rest); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func appendWords32(dst []byte, words []uint32) []byte {
	for _, w := range words {
		dst = binary.LittleEndian.AppendUint32(dst, w)
	}
	return dst
}

func words32(data []byte) []uint32 {
	words := make([]uint32, len(data)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	return words
}

func eofIsShort(err error, kind Kind) error {
	if err == io.EOF {
		return FileErrorf(kind, ErrTruncated, "not %s of fhe-ml: it is empty", kind.withArticle())
	}
	return err
}
