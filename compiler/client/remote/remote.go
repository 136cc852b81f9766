// Package remote runs requests on a service of package compiler/server/service, over HTTP: the counterpart of server.Server for a client in another process.
//
//	r, err := remote.Dial(ctx, "http://host:8000", "", nil)
//	file, err := r.ClientFile(ctx)            // what models.ReadClientFile reads
//	err = r.SendKey(ctx, keys.Evaluation)     // once; nothing is sent if the service has it
//	err = r.RunBatch(ctx, responses, requests, spec.ResponseBatchBytes(rows)) // any number of times
//
// It sends ciphertexts and evaluation keys, and has no access to a secret key either. Errors of the service are an [Error] or, where files do not
// belong together, a tfhe.FileError as the functions that run in the same process return it.
package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// Bounds of what is read from a service.
const (
	maxText  = 1 << 20
	maxFile  = 1 << 24 // as a client file
	maxShown = 500     // characters of a text that becomes part of an error
)

// mostSends bounds how often RunBatch sends a key that the service forgets again.
const mostSends = 50

// Info is what a service tells about a model.
type Info struct {
	Name               string `json:"name"`
	ID                 string `json:"id"`
	NeedsKey           bool   `json:"needs_key"`
	EvaluationKeyBytes int64  `json:"evaluation_key_bytes"`
	RequestBytes       int64  `json:"request_bytes"`  // of one row
	ResponseBytes      int64  `json:"response_bytes"` // of one row
	MaxRows            int    `json:"max_rows"`       // of one batch
}

// Error is a failure that the service reports.
type Error struct {
	Status int    // of HTTP
	Code   string // as in the description of the interface
	Text   string // one line of at most 500 printable characters
}

func (e *Error) Error() string { return "remote: the server says: " + e.Text }

// ErrUnknownModel is wrapped by the error of Dial for a model that is not offered, or that has to be named because several are.
var ErrUnknownModel = errors.New("give the name of one of its models")

// Server is one model of a service. It is safe for concurrent use after SendKey.
type Server struct {
	base *url.URL
	http *http.Client
	info Info
	key  *tfhe.EvaluationKey
	name string // of the key
}

// Dial asks the service at an address (http or https, without a path, or with the path under which a proxy offers it) for a model; "" is the only one. client may be nil:
// the default one of package http.
func Dial(ctx context.Context, address, model string, client *http.Client) (*Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("remote: %q is no address of a server: want one like http://127.0.0.1:8000", address)
	}
	if client == nil {
		client = http.DefaultClient
	}
	s := &Server{base: u, http: client}
	var list struct {
		Models []Info `json:"models"`
	}
	if err := s.json(ctx, http.MethodGet, s.address("v1", "models"), nil, 0, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, info := range list.Models {
		if info.Name == model || model == "" && len(list.Models) == 1 {
			s.info = info
			return s, nil
		}
		names = append(names, info.Name)
	}
	if model == "" {
		return nil, fmt.Errorf("remote: %s offers %d models: %w: %s", address, len(names), ErrUnknownModel, shown(strings.Join(names, ", ")))
	}
	return nil, fmt.Errorf("remote: %s does not offer %q: %w: %s", address, model, ErrUnknownModel, shown(strings.Join(names, ", ")))
}

// Info returns what the service told about the model.
func (s *Server) Info() Info { return s.info }

func (s *Server) address(path ...string) *url.URL { return s.base.JoinPath(path...) }

func (s *Server) of(path ...string) *url.URL {
	return s.address(append([]string{"v1", "models", s.info.Name}, path...)...)
}

// ClientFile returns the bytes of the client file.
func (s *Server) ClientFile(ctx context.Context) ([]byte, error) {
	var b bytes.Buffer
	err := s.call(ctx, http.MethodGet, s.of("client"), nil, 0, func(r *http.Response) error {
		_, err := io.Copy(&b, io.LimitReader(r.Body, maxFile))
		return err
	})
	return b.Bytes(), err
}

// SendKey makes the service load an evaluation key, which it sends only if the service has not got it. It is sent again when the service has forgotten it
// later. For a model that needs no key nothing is done.
func (s *Server) SendKey(ctx context.Context, key *tfhe.EvaluationKey) error {
	if !s.info.NeedsKey {
		return nil
	}
	sum := sha256.New()
	size, err := key.WriteTo(sum)
	if err != nil {
		return err
	}
	s.key, s.name = key, hex.EncodeToString(sum.Sum(nil))
	err = s.json(ctx, http.MethodGet, s.of("keys", s.name), nil, 0, nil)
	if !isUnknownKey(err) {
		return err
	}
	return s.sendKey(ctx, size)
}

func (s *Server) sendKey(ctx context.Context, size int64) error {
	var answer struct {
		Key string `json:"key"`
	}
	err := s.retry(ctx, func() error {
		r, w := io.Pipe()
		defer r.Close()
		go func() { _, err := s.key.WriteTo(w); w.CloseWithError(err) }()
		return s.json(ctx, http.MethodPost, s.of("keys"), r, size, &answer)
	})
	if err == nil && answer.Key != s.name {
		return errors.New("remote: the server names the evaluation key by another hash: it did not receive what was sent")
	}
	return err
}

// KeyName is the name of the key of SendKey on the service: the SHA-256 of its file in hexadecimal; "" before.
func (s *Server) KeyName() string { return s.name }

// DropKey makes the service forget the key of SendKey.
func (s *Server) DropKey(ctx context.Context) error {
	if s.key == nil {
		return nil
	}
	err := s.json(ctx, http.MethodDelete, s.of("keys", s.name), nil, 0, nil)
	if isUnknownKey(err) {
		return nil
	}
	return err
}

func isUnknownKey(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "unknown_key"
}

// RunBatch sends a batch of requests and copies the batch of responses to w, of which there are size bytes: compiler.ClientSpec.ResponseBatchBytes of its rows, by the client's
// own specification and not by what the service says. An answer that goes on after that is an error, one that ends before it is left to the reader of the batch. The service is
// asked again while it is busy, until ctx ends, and gets the key again when it has forgotten it.
func (s *Server) RunBatch(ctx context.Context, w io.Writer, requests []byte, size int64) error {
	address := s.of("run")
	if s.key != nil {
		address.RawQuery = url.Values{"key": {s.name}}.Encode()
	}
	run := func() error {
		return s.retry(ctx, func() error {
			return s.call(ctx, http.MethodPost, address, bytes.NewReader(requests), int64(len(requests)), func(r *http.Response) error {
				if _, err := io.Copy(w, io.LimitReader(r.Body, size)); err != nil {
					return err
				}
				if n, _ := io.ReadFull(r.Body, make([]byte, 1)); n > 0 {
					return fmt.Errorf("remote: %s answers with more than the %d bytes that the responses can have", s.base, size)
				}
				return nil
			})
		})
	}
	err := run()
	for tries := 0; isUnknownKey(err) && s.key != nil && tries < mostSends; tries++ {
		select { // other clients may push it out again and again: make room for them
		case <-time.After(time.Duration(tries) * 20 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
		size, sizeErr := s.key.WriteTo(io.Discard)
		if sizeErr != nil {
			return sizeErr
		}
		if err := s.sendKey(ctx, size); err != nil {
			return err
		}
		err = run()
	}
	return err
}

// retry repeats what fails because the service is busy.
func (s *Server) retry(ctx context.Context, do func() error) error {
	for {
		err := do()
		var e *Error
		if !errors.As(err, &e) || e.Code != "busy" {
			return err
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

// json makes a call whose answer is an object.
func (s *Server) json(ctx context.Context, method string, u *url.URL, body io.Reader, size int64, into any) error {
	return s.call(ctx, method, u, body, size, func(r *http.Response) error {
		if into == nil {
			return nil
		}
		if err := json.NewDecoder(io.LimitReader(r.Body, maxText)).Decode(into); err != nil {
			return fmt.Errorf("remote: %s does not answer like an fhe-ml server", s.base)
		}
		return nil
	})
}

// call makes a call and turns answers that are no success into errors.
func (s *Server) call(ctx context.Context, method string, u *url.URL, body io.Reader, size int64, take func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return fmt.Errorf("remote: %w", err)
	}
	if body != nil {
		req.ContentLength = size
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	res, err := s.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the method and the address, which follow
		}
		return fmt.Errorf("remote: %s: %w", s.base, err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		return take(res)
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxText))
	var answer struct {
		Error string `json:"error"`
		Code  string `json:"code"`
	}
	if json.Unmarshal(text, &answer) != nil || answer.Code == "" {
		return fmt.Errorf("remote: %s does not answer like an fhe-ml server: status %s", s.base, strconv.Quote(res.Status))
	}
	if kind := fileError(answer.Code); kind != nil {
		return &tfhe.FileError{Kind: tfhe.KindRequests, Err: kind, Text: "remote: the server says: " + shown(answer.Error)}
	}
	return &Error{Status: res.StatusCode, Code: answer.Code, Text: shown(answer.Error)}
}

// shown is a text of the service as it may become part of an error: what is not printable, such as what steers a terminal or turns the direction of writing, is U+FFFD, and
// what is long ends early.
func shown(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxShown {
			b.WriteString("...")
			break
		}
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fileError returns the error about a file that a code of the service stands for.
func fileError(code string) error {
	switch code {
	case "truncated":
		return tfhe.ErrTruncated
	case "damaged":
		return tfhe.ErrDamaged
	case "kind":
		return tfhe.ErrKind
	case "version":
		return tfhe.ErrVersion
	case "too_large":
		return tfhe.ErrTooLarge
	case "other_key":
		return tfhe.ErrKey
	case "other_model":
		return tfhe.ErrModel
	case "other_request":
		return tfhe.ErrRequest
	}
	return nil
}
