package tfhe

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// Kind says what a file holds.
type Kind uint16

// The kinds of file. Numbers are part of the format and never reused.
const (
	KindSecretKey     Kind = 1
	KindEvaluationKey Kind = 2
	KindRequest       Kind = 3
	KindResponse      Kind = 4
	KindModel         Kind = 5 // NAME.fheml: everything a server needs
	KindClient        Kind = 6 // NAME.client.fheml: what a client needs
	KindCircuit       Kind = 7 // a circuit alone
	KindRequests      Kind = 8 // the head of a batch of requests, which follow it
	KindResponses     Kind = 9 // the head of a batch of responses
)

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case KindSecretKey:
		return "secret key"
	case KindEvaluationKey:
		return "evaluation key"
	case KindRequest:
		return "request"
	case KindResponse:
		return "response"
	case KindModel:
		return "model"
	case KindClient:
		return "client file"
	case KindCircuit:
		return "circuit"
	case KindRequests:
		return "request file"
	case KindResponses:
		return "response file"
	}
	return fmt.Sprintf("file of unknown kind %d", uint16(k))
}

// withArticle returns the kind's name for a sentence: "a model", "an evaluation key".
func (k Kind) withArticle() string {
	if k == KindEvaluationKey || k < KindSecretKey || k > KindResponses {
		return "an " + k.String()
	}
	return "a " + k.String()
}

// Header is what every file of fhe-ml starts with. It ties the files of one key and one request together.
type Header struct {
	Kind    Kind
	Version uint16   // of the payload's format
	Params  [32]byte // hash of the parameters
	Key     KeyID    // zero where no key is involved
	Request [16]byte // random id of a request, repeated by its response
}

const (
	magic       = "FHEML\r\n\x1a" // the line ending shows a transfer as text
	headerBytes = 8 + 2 + 2 + 4 + 32 + 16 + 16 + 8
)

// FramingBytes is what a file has beside its payload: header and hash.
const FramingBytes = headerBytes + sha256.Size

// WriteFile writes a header, the payload and a SHA-256 of both, and returns the number of bytes written.
func WriteFile(dst io.Writer, h Header, payload ...[]byte) (int64, error) {
	w := &countingWriter{w: dst}
	head := make([]byte, 0, headerBytes)
	head = append(head, magic...)
	head = binary.LittleEndian.AppendUint16(head, uint16(h.Kind))
	head = binary.LittleEndian.AppendUint16(head, h.Version)
	head = append(head, 0, 0, 0, 0)
	head = append(head, h.Params[:]...)
	head = append(head, h.Key[:]...)
	head = append(head, h.Request[:]...)
	var total uint64
	for _, p := range payload {
		total += uint64(len(p))
	}
	head = binary.LittleEndian.AppendUint64(head, total)
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	for _, p := range append([][]byte{head}, payload...) {
		if _, err := out.Write(p); err != nil {
			return w.n, err
		}
	}
	_, err := w.Write(sum.Sum(nil))
	return w.n, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// ReadFile reads one file of the given kind and version, whose payload has at most limit bytes, and checks its hash. It takes memory only as bytes
// arrive, so a header that announces more than there is costs nothing. Several files may follow each other in one stream: io.EOF is returned, bare, at a clean end.
func ReadFile(r io.Reader, kind Kind, version uint16, limit int64) (Header, []byte, error) {
	var h Header
	head := make([]byte, headerBytes)
	if n, err := io.ReadFull(r, head); err != nil {
		if n == 0 && err == io.EOF {
			return h, nil, io.EOF
		}
		if isMagic(head[:min(n, 8)]) && isEnd(err) {
			return h, nil, FileErrorf(kind, ErrTruncated, "%s is cut short: it has only %d bytes", kind, n)
		}
		if !isEnd(err) {
			return h, nil, fmt.Errorf("%s: reading: %w", kind, err)
		}
		return h, nil, FileErrorf(kind, ErrKind, "not %s of fhe-ml: it has only %d bytes", kind.withArticle(), n)
	}
	if string(head[:8]) != magic {
		return h, nil, FileErrorf(kind, ErrKind, "not %s of fhe-ml: its first bytes are not those of an fhe-ml file", kind.withArticle())
	}
	h.Kind = Kind(binary.LittleEndian.Uint16(head[8:]))
	h.Version = binary.LittleEndian.Uint16(head[10:])
	copy(h.Params[:], head[16:])
	copy(h.Key[:], head[48:])
	copy(h.Request[:], head[64:])
	length := binary.LittleEndian.Uint64(head[80:])
	if h.Kind != kind {
		return h, nil, FileErrorf(kind, ErrKind, "this is %s of fhe-ml where %s is needed", h.Kind.withArticle(), kind.withArticle())
	}
	if h.Version != version {
		return h, nil, FileErrorf(kind, ErrVersion, "%s of format version %d; this fhe-ml reads version %d", kind, h.Version, version)
	}
	if length > uint64(limit) {
		return h, nil, FileErrorf(kind, ErrTooLarge, "%s announces %d bytes where at most %d are read", kind, length, limit)
	}
	if binary.LittleEndian.Uint32(head[12:]) != 0 {
		return h, nil, FileErrorf(kind, ErrDamaged, "%s is damaged: its header has bits that no version sets", kind)
	}
	payload, err := readBytes(r, int(length))
	if err != nil {
		return h, nil, unreadable(kind, err, fmt.Sprintf("%d of %d bytes are there", len(payload), length))
	}
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(r, want); err != nil {
		return h, nil, unreadable(kind, err, "its hash is missing")
	}
	sum := sha256.New()
	sum.Write(head)
	sum.Write(payload)
	if !bytes.Equal(sum.Sum(nil), want) {
		return h, nil, FileErrorf(kind, ErrDamaged, "%s is damaged: its content does not match its hash", kind)
	}
	return h, payload, nil
}

func isMagic(b []byte) bool { return len(b) > 0 && string(b) == magic[:len(b)] }

func isEnd(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

// unreadable tells a file that ends too early from a reader that fails.
func unreadable(kind Kind, err error, what string) error {
	if isEnd(err) {
		return FileErrorf(kind, ErrTruncated, "%s is cut short: %s", kind, what)
	}
	return fmt.Errorf("%s: reading: %w", kind, err)
}

// firstChunk is what readBytes allocates before it has seen a byte.
const firstChunk = 1 << 16

// readBytes reads n bytes into memory that at most doubles as they arrive, and never exceeds n. It returns those that came before an error.
func readBytes(r io.Reader, n int) ([]byte, error) {
	buf := make([]byte, 0, min(n, firstChunk))
	for {
		m, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if err != nil || len(buf) == n {
			return buf, err
		}
		buf = append(make([]byte, 0, min(n, 2*cap(buf))), buf...)
	}
}

// AtEnd returns an error if anything follows in r, for files that hold one object.
func AtEnd(r io.Reader, kind Kind) error {
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		return FileErrorf(kind, ErrDamaged, "%s is damaged: something follows after its end", kind)
	case err != io.EOF:
		return err
	}
	return nil
}

// PeekKind tells what kind of fhe-ml file starts with these bytes, and false if it is none.
func PeekKind(head []byte) (Kind, bool) {
	if len(head) < 10 || string(head[:8]) != magic {
		return 0, false
	}
	return Kind(binary.LittleEndian.Uint16(head[8:])), true
}

// AppendWords appends torus words in little-endian order.
func AppendWords(dst []byte, words []uint64) []byte {
	for _, w := range words {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	return dst
}

// Words reads count words from data and returns the rest; false if data is too short. It allocates only what is there.
func Words(data []byte, count int) (words []uint64, rest []byte, ok bool) {
	if count < 0 || count > len(data)/8 {
		return nil, data, false
	}
	words = make([]uint64, count)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(data[8*i:])
	}
	return words, data[8*count:], true
}
