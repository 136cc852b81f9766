package tfhe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func fileOf(t testing.TB, h Header, payload ...[]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	if _, err := WriteFile(&buf, h, payload...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestFileRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{Kind: Kind(rapid.Uint16().Draw(t, "kind")), Version: rapid.Uint16().Draw(t, "version")}
		copy(h.Params[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "params"))
		copy(h.Key[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key"))
		copy(h.Request[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "request"))
		payload := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 50), 0, 4).Draw(t, "payload")
		var buf bytes.Buffer
		for range 2 { // two files in one stream
			if _, err := WriteFile(&buf, h, payload...); err != nil {
				t.Fatal(err)
			}
		}
		if kind, ok := PeekKind(buf.Bytes()); !ok || kind != h.Kind {
			t.Fatalf("PeekKind: %v, %v", kind, ok)
		}
		r := iotest.OneByteReader(&buf)
		for range 2 {
			got, data, err := ReadFile(r, h.Kind, h.Version, 1<<30)
			if err != nil || got != h || !bytes.Equal(data, slices.Concat(payload...)) {
				t.Fatalf("%+v, %d bytes, %v", got, len(data), err)
			}
		}
		if _, _, err := ReadFile(r, h.Kind, h.Version, 1<<30); err != io.EOF {
			t.Fatalf("at the end of the stream: %v", err)
		}
	})
}

// TestFileDamaged: every cut and every changed byte is an error, and none is io.EOF but the empty file.
func TestFileDamaged(t *testing.T) {
	file := fileOf(t, Header{Kind: KindRequest, Version: 3, Key: KeyID{1, 2, 3}}, []byte("some payload"), []byte(" and more"))
	for i := range file {
		if _, _, err := ReadFile(bytes.NewReader(file[:i]), KindRequest, 3, 1<<30); err == nil || (err == io.EOF) != (i == 0) {
			t.Errorf("%d of %d bytes: %v", i, len(file), err)
		}
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := slices.Clone(file)
			bad[i] ^= flip
			if _, data, err := ReadFile(bytes.NewReader(bad), KindRequest, 3, 1<<30); err == nil || data != nil {
				t.Errorf("byte %d changed: %d bytes, %v", i, len(data), err)
			}
		}
	}
	for _, c := range []struct {
		kind    Kind
		version uint16
		want    string
	}{{KindResponse, 3, "this is a request"}, {KindRequest, 2, "version 3"}, {Kind(99), 3, "unknown kind 99"}} {
		if _, _, err := ReadFile(bytes.NewReader(file), c.kind, c.version, 1<<30); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("kind %v, version %d: %v", c.kind, c.version, err)
		}
	}
	if _, _, err := ReadFile(iotest.ErrReader(errors.New("broken pipe")), KindRequest, 3, 1<<30); err == nil || err == io.EOF {
		t.Errorf("a reader that fails: %v", err)
	}
	for _, head := range [][]byte{nil, []byte("FHEML"), []byte("FHEML\n\x1a\x00\x01\x00")} {
		if _, ok := PeekKind(head); ok {
			t.Errorf("%q is taken for a file", head)
		}
	}
}

// TestFileAnnouncesTooMuch: a header that announces a huge payload takes no memory for it.
func TestFileAnnouncesTooMuch(t *testing.T) {
	file := fileOf(t, Header{Kind: KindRequest, Version: 1}, make([]byte, 100))
	for _, length := range []uint64{101, 1 << 30, 1<<30 + 1, 1 << 63, ^uint64(0)} {
		bad := slices.Clone(file)
		binary.LittleEndian.PutUint64(bad[80:], length)
		if taken := allocated(func() {
			if _, _, err := ReadFile(bytes.NewReader(bad), KindRequest, 1, 1<<30); err == nil {
				t.Errorf("%d announced bytes are accepted", length)
			}
		}); taken > 1<<20 {
			t.Errorf("%d announced bytes take %d of memory", length, taken)
		}
	}
}

// TestFileLimit: a payload above the reader's limit is refused by its header, and so are reserved bits and whatever follows a single object.
func TestFileLimit(t *testing.T) {
	file := fileOf(t, Header{Kind: KindRequest, Version: 1}, make([]byte, 100))
	if _, _, err := ReadFile(bytes.NewReader(file), KindRequest, 1, 99); err == nil || !strings.Contains(err.Error(), "at most 99") {
		t.Errorf("above the limit: %v", err)
	}
	if _, _, err := ReadFile(bytes.NewReader(file), KindRequest, 1, 100); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	file[13] = 1
	if _, _, err := ReadFile(bytes.NewReader(file), KindRequest, 1, 100); err == nil || !strings.Contains(err.Error(), "no version sets") {
		t.Errorf("reserved bits: %v", err)
	}
	if err := AtEnd(strings.NewReader(""), KindModel); err != nil {
		t.Error(err)
	}
	if err := AtEnd(strings.NewReader("x"), KindModel); err == nil {
		t.Error("a byte after the end is accepted")
	}
}

// allocated returns how many bytes f allocates, and whatever else runs meanwhile.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

type limitedWriter struct{ left int }

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		n := w.left
		w.left = 0
		return n, errors.New("disk full")
	}
	w.left -= len(p)
	return len(p), nil
}

// TestWriteFileFails: a writer that fails anywhere fails the file.
func TestWriteFileFails(t *testing.T) {
	size := len(fileOf(t, Header{Kind: KindModel}, []byte("abc")))
	for i := range size {
		if _, err := WriteFile(&limitedWriter{i}, Header{Kind: KindModel}, []byte("abc")); err == nil {
			t.Errorf("a disk of %d bytes holds %d", i, size)
		}
	}
	if _, err := WriteFile(&limitedWriter{size}, Header{Kind: KindModel}, []byte("abc")); err != nil {
		t.Error(err)
	}
}

func TestWords(t *testing.T) {
	words := []uint64{0, 1, 1 << 63, ^uint64(0), 0x0102030405060708}
	data := append(AppendWords([]byte{}, words), 42)
	if data[32] != 8 || data[39] != 1 {
		t.Error("words are not little endian")
	}
	got, rest, ok := Words(data, 5)
	if !ok || !slices.Equal(got, words) || len(rest) != 1 || rest[0] != 42 {
		t.Errorf("%x, rest %v, %v", got, rest, ok)
	}
	for _, count := range []int{6, -1, 1 << 61, 1 << 62} {
		if got, rest, ok := Words(data, count); ok || got != nil || len(rest) != len(data) {
			t.Errorf("%d words come out of %d bytes", count, len(data))
		}
	}
	if got, _, ok := Words(nil, 0); !ok || len(got) != 0 {
		t.Error("no words cannot be read")
	}
}
