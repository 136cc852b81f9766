package tfhe

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// payloads are CBOR (RFC 8949), in its deterministic form: equal values give equal bytes.
var (
	payloadEnc = must(cbor.CoreDetEncOptions().EncMode())
	payloadDec = must(cbor.DecOptions{MaxArrayElements: 1 << 24, MaxMapPairs: 1 << 20, MaxNestedLevels: 64, DupMapKey: cbor.DupMapKeyEnforcedAPF,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("tfhe: internal error: " + err.Error())
	}
	return v
}

// EncodePayload encodes a struct for a file.
func EncodePayload(v any) ([]byte, error) { return payloadEnc.Marshal(v) }

// DecodePayload decodes what [EncodePayload] gave. What it takes is counted before anything is allocated: a byte of CBOR can stand for an empty struct of a
// hundred bytes of memory. A field that v does not have is an error: whoever wrote it relies on its being read.
func DecodePayload(data []byte, v any) error {
	if err := payloadDec.Wellformed(data); err != nil {
		return err
	}
	m := meter{data: data, left: decodeBase + decodeFactor*len(data)}
	if err := m.value(reflect.TypeOf(v)); err != nil {
		return err
	}
	return payloadDec.Unmarshal(data, v)
}

// A payload of n bytes takes at most decodeBase + decodeFactor*n when it is decoded. Real ones take up to 4 n.
const (
	decodeBase   = 8 << 20
	decodeFactor = 8
)

// meter walks over well-formed CBOR with the type that it will be decoded into, and adds up what slices, maps, pointers and texts take.
type meter struct {
	data []byte
	at   int
	left int
}

func (m *meter) charge(n int) error {
	if m.left -= n; m.left < 0 {
		return fmt.Errorf("it would take more memory than a file of its size needs")
	}
	return nil
}

// CBOR's major types.
const (
	majorUnsigned = 0
	majorBytes    = 2
	majorText     = 3
	majorArray    = 4
	majorMap      = 5
	majorTag      = 6
)

// head reads the head of an item. indefinite is set for an item of unknown length, which ends with a break; CoreDet writes none.
func (m *meter) head() (major byte, n int, indefinite bool) {
	b := m.data[m.at]
	m.at++
	major = b >> 5
	var v uint64
	switch info := b & 31; info {
	case 24:
		v = uint64(m.data[m.at])
		m.at++
	case 25:
		v = uint64(binary.BigEndian.Uint16(m.data[m.at:]))
		m.at += 2
	case 26:
		v = uint64(binary.BigEndian.Uint32(m.data[m.at:]))
		m.at += 4
	case 27:
		v = binary.BigEndian.Uint64(m.data[m.at:])
		m.at += 8
	case 31:
		indefinite = true
	default:
		v = uint64(info)
	}
	return major, int(min(v, 1<<62)), indefinite
}

// value walks over one item that goes into a t; nil is something that the type does not have, which Unmarshal refuses.
func (m *meter) value(t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
		if err := m.charge(int(t.Size())); err != nil {
			return err
		}
	}
	major, n, indefinite := m.head()
	if indefinite {
		return fmt.Errorf("it has items of unknown length, which fhe-ml does not write")
	}
	switch major {
	case majorBytes, majorText:
		m.at += n
		return m.charge(n)
	case majorTag:
		return m.value(t)
	case majorArray:
		var elem reflect.Type
		if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
			elem = t.Elem()
			if t.Kind() == reflect.Slice && n > 0 {
				if n > len(m.data) { // Wellformed has refused it
					return fmt.Errorf("it announces %d elements", n)
				}
				if err := m.charge(n * int(elem.Size())); err != nil {
					return err
				}
			}
		}
		for i := range n {
			if t != nil && t.Kind() == reflect.Struct { // an array of a struct's fields
				elem = nil
				if i < t.NumField() {
					elem = t.Field(i).Type
				}
			}
			if err := m.value(elem); err != nil {
				return err
			}
		}
	case majorMap:
		for range n {
			if err := m.pair(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair walks over a key and its value.
func (m *meter) pair(t reflect.Type) error {
	switch {
	case t == nil:
	case t.Kind() == reflect.Map:
		if err := m.charge(2 * int(t.Key().Size()+t.Elem().Size()+8)); err != nil {
			return err
		}
		if err := m.value(t.Key()); err != nil {
			return err
		}
		return m.value(t.Elem())
	case t.Kind() == reflect.Struct && m.data[m.at]>>5 == majorText:
		_, n, indefinite := m.head()
		if indefinite {
			return fmt.Errorf("it has a key of unknown length")
		}
		key := m.data[m.at : m.at+n]
		m.at += n
		return m.value(fieldTypes(t)[string(key)])
	case t.Kind() == reflect.Struct && m.data[m.at]>>5 == majorUnsigned:
		_, n, _ := m.head()
		return m.value(fieldTypes(t)[strconv.Itoa(n)]) // keyasint
	}
	if err := m.value(nil); err != nil {
		return err
	}
	return m.value(nil)
}

// fieldTypes lists the fields of a struct by their names in CBOR, those of embedded structs without a name among them.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	if v, ok := fieldCache.Load(t); ok {
		return v.(map[string]reflect.Type)
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("cbor"), ",")
		if name == "" {
			name = f.Name
		}
		if f.IsExported() && name != "-" {
			fields[name] = f.Type
		}
	}
	v, _ := fieldCache.LoadOrStore(t, fields)
	return v.(map[string]reflect.Type)
}

// fieldCache keeps what fieldTypes has found: types of the program, of which there are few.
var fieldCache sync.Map
