package tfhe

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"
)

// formatParameters is a set with lookups as files of format version 1 hold it, with its hash. They are written down here, so that no later change of the encoding goes unnoticed.
const (
	formatParameters = "ab011908000201030304fbc04761536202ecfa05a2664c6576656c730267426173654c6f670e06190374070408fbc031c9654806321609010aa2664c6576656c730167426173654c6f67160ba2664c6576656c730567426173654c6f6703"
	formatHash       = "480fe174a086fcf7cacf24c664b3f5ea40ac411e343421aa181b79d56a67bad0"
)

// TestEvaluationKeyFormat lays a key file with lookups out by hand, byte by byte as version 1 has it, and reads it. Such keys are too large to be kept; small
// ones are among the files of package models.
func TestEvaluationKeyFormat(t *testing.T) {
	params, err := hex.DecodeString(formatParameters)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := hex.DecodeString(formatHash)
	if err != nil {
		t.Fatal(err)
	}
	const n, degree, levels = 884, 2048, 1 // small dimension, polynomial degree, levels of the bootstrapping key
	const switchLevels = 5
	body := make([]byte, 32+8*n*2*levels*degree+4*(degree-n)*switchLevels)
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(body, body)

	file := []byte("FHEML\r\n\x1a")
	file = append(file, 2, 0, 1, 0, 0, 0, 0, 0) // evaluation key, version 1
	file = append(file, hash...)
	file = append(file, "0123456789abcdef"...) // key id
	file = append(file, make([]byte, 16)...)   // no request
	file = binary.LittleEndian.AppendUint64(file, uint64(4+len(params)+len(body)))
	file = binary.LittleEndian.AppendUint32(file, uint32(len(params)))
	file = append(append(file, params...), body...)
	sum := sha256.Sum256(file)
	file = append(file, sum[:]...)

	k, err := ReadEvaluationKey(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if k.Parameters().N() != degree || k.Parameters().Literal().SmallDimension != n || k.Parameters().Hash() != [32]byte(hash) || string(k.id[:]) != "0123456789abcdef" || !bytes.Equal(k.seed[:], body[:32]) {
		t.Error("parameters, id or seed come back differently")
	}
	words := body[32:]
	for i, w := range k.bsk {
		if w != binary.LittleEndian.Uint64(words[8*i:]) {
			t.Fatalf("word %d of the bootstrapping key", i)
		}
	}
	words = words[8*len(k.bsk):]
	for i, w := range k.ksk {
		if w != binary.LittleEndian.Uint32(words[4*i:]) {
			t.Fatalf("word %d of the key-switching key", i)
		}
	}
	if len(words) != 4*len(k.ksk) {
		t.Errorf("%d bytes are left", len(words)-4*len(k.ksk))
	}
	var again bytes.Buffer
	if _, err := k.WriteTo(&again); err != nil || !slices.Equal(again.Bytes(), file) || int64(again.Len()) != k.Parameters().EvaluationKeyFileBytes() {
		t.Errorf("it is written as %d bytes that differ (%v)", again.Len(), err)
	}
}
