package tfhe

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// payload has everything that the meter knows.
type payload struct {
	embedded
	List    [][]float64      `cbor:"l,omitempty"`
	Structs []wide           `cbor:"s,omitempty"`
	Next    *payload         `cbor:"n,omitempty"`
	Words   map[string]wide  `cbor:"w,omitempty"`
	Text    []string         `cbor:"t,omitempty"`
	Number  map[int64]string `cbor:"m,omitempty"`
	Raw     []byte           `cbor:"b,omitempty"`
}

type embedded struct {
	Inner []wide `cbor:"i,omitempty"`
}

type wide struct {
	A [12]float64 `cbor:"1,keyasint,omitempty"`
	B []wide      `cbor:"2,keyasint,omitempty"`
}

// took returns what decoding allocates.
func took(data []byte, v any) (uint64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := DecodePayload(data, v)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

func TestPayloadRoundTrip(t *testing.T) {
	in := payload{embedded: embedded{Inner: []wide{{}, {B: []wide{{}}}}}, List: [][]float64{{1, 2}, {}, {0.1}}, Structs: make([]wide, 3),
		Next: &payload{Text: []string{"a", "bc"}}, Words: map[string]wide{"x": {}, "y": {B: make([]wide, 2)}}, Number: map[int64]string{-3: "u"}, Raw: []byte{1, 2}}
	data, err := EncodePayload(in)
	if err != nil {
		t.Fatal(err)
	}
	var out payload
	if err := DecodePayload(data, &out); err != nil {
		t.Fatal(err)
	}
	again, err := EncodePayload(out)
	if err != nil || !bytes.Equal(data, again) {
		t.Fatalf("%v: another payload", err)
	}
	for i := range data {
		if DecodePayload(data[:i], new(payload)) == nil {
			t.Fatalf("%d of %d bytes were accepted", i, len(data))
		}
	}
}

// hostilePayloads spend bytes on what is large in memory.
func hostilePayloads(n int) map[string][]byte {
	array := func(key string, item []byte) []byte {
		count := n / len(item)
		head := []byte{0xa1, 0x61, key[0], 0x9a, byte(count >> 24), byte(count >> 16), byte(count >> 8), byte(count)}
		return append(head, bytes.Repeat(item, count)...)
	}
	many := []byte{0xa1, 0x61, 'w', 0xba, 0, 0x0f, 0xff, 0xff}
	for i := range 0xfffff {
		many = append(many, 0x63, byte(i), byte(i>>8)&0x7f, byte(i>>15)&0x7f, 0xa0)
	}
	return map[string][]byte{
		"structs":      array("s", []byte{0xa0}),
		"nested":       array("s", []byte{0xa1, 0x02, 0x83, 0xa0, 0xa0, 0xa0}),
		"embedded":     array("i", []byte{0xa0}),
		"lists":        array("l", []byte{0x80}),
		"texts":        array("t", []byte{0x60}),
		"small floats": array("l", []byte{0x84, 0, 0, 0, 0}),
		"pointers":     append(bytes.Repeat([]byte{0xa1, 0x61, 'n'}, 60), 0xa0),
		"bytes":        array("b", []byte{0}),
		"map":          many,
		"unknown":      array("z", []byte{0xa0}),
	}
}

// TestPayloadMemory: a payload takes at most what the meter allows, whatever it holds.
func TestPayloadMemory(t *testing.T) {
	for name, data := range hostilePayloads(8 << 20) {
		n, err := took(data, new(payload))
		if n > 2*decodeBase+(decodeFactor+1)*uint64(len(data)) {
			t.Errorf("%s: %d bytes for a payload of %d", name, n, len(data))
		}
		if name == "structs" && (err == nil || !strings.Contains(err.Error(), "more memory")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodePayload(f *testing.F) {
	data, err := EncodePayload(payload{List: [][]float64{{1}}, Next: &payload{Structs: make([]wide, 2)}, Words: map[string]wide{"x": {}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, b := range hostilePayloads(64) {
		if len(b) < 1<<12 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, _ := took(data, new(payload)); n > 2*decodeBase+(decodeFactor+1)*uint64(len(data)) {
			t.Fatalf("%d bytes for a payload of %d", n, len(data))
		}
	})
}
