package service

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
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/fhe-ml/fhe-ml/compiler/server"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// binary is the media type of all files of fhe-ml.
const binary = "application/octet-stream"

// Error codes are what a client can tell failures apart by, in the field "code" of the body of an answer that is no success.
const (
	CodeNotFound   = "not_found"     // no such address or model
	CodeMethod     = "method"        // the address takes another method
	CodeUnknownKey = "unknown_key"   // the evaluation key is not loaded, or not any more: send it
	CodeNoKey      = "no_key_needed" // the model needs no evaluation key
	CodeLength     = "length"        // the length of the body is not announced, or cannot be right
	CodeTooLarge   = "too_large"     // more rows or bytes than the service takes
	CodeDamaged    = "damaged"       // the body is not what was written
	CodeTruncated  = "truncated"     // the body ends too early
	CodeKind       = "kind"          // the body is no file of fhe-ml, or one of another kind
	CodeVersion    = "version"       // the body is of a later format
	CodeOtherKey   = "other_key"     // requests and evaluation key are of different keys
	CodeOtherModel = "other_model"   // requests or evaluation key are for another model
	CodeRequest    = "other_request" // rows of different batches are mixed
	CodeSlow       = "slow"          // the body did not arrive in time
	CodeBusy       = "busy"          // no memory became free in time
	CodeTime       = "time"          // the rows were not done in time
	CodeInternal   = "internal"      // a defect of the service
)

// Error is the body of every answer that is no success.
type Error struct {
	Error string `json:"error"` // for people
	Code  string `json:"code"`
}

// ModelInfo describes a model to clients.
type ModelInfo struct {
	Name               string `json:"name"`
	ID                 string `json:"id"` // of the client's part, in hexadecimal: messages carry it
	NeedsKey           bool   `json:"needs_key"`
	EvaluationKeyBytes int64  `json:"evaluation_key_bytes"` // of the file
	RequestBytes       int64  `json:"request_bytes"`        // of one row
	ResponseBytes      int64  `json:"response_bytes"`       // of one row
	MaxRows            int    `json:"max_rows"`             // of one batch
}

// ModelList is the answer to GET /v1/models.
type ModelList struct {
	Models []ModelInfo `json:"models"`
}

// KeyInfo is the answer about a loaded key.
type KeyInfo struct {
	Key   string `json:"key"` // SHA-256 of its file, in hexadecimal
	Bytes int64  `json:"bytes"`
}

// Status is the answer to GET /healthz.
type Status struct {
	Status string `json:"status"` // "ok", or "ending" with status 503
}

// failure is an error with what the client is told.
type failure struct {
	status int
	code   string
	text   string
}

func (f *failure) Error() string { return f.text }

func failf(status int, code, format string, args ...any) error {
	return &failure{status, code, fmt.Sprintf(format, args...)}
}

// route is an address with what it does. The handler writes nothing before it can no longer fail.
type route struct {
	method, pattern string
	handle          func(s *Service, w http.ResponseWriter, r *http.Request) error
}

// table lists the addresses, as the OpenAPI description does.
var table = []route{
	{"GET", "/v1/models", (*Service).list},
	{"GET", "/v1/models/{model}/client", (*Service).client},
	{"POST", "/v1/models/{model}/keys", (*Service).putKey},
	{"GET", "/v1/models/{model}/keys/{key}", (*Service).getKey},
	{"DELETE", "/v1/models/{model}/keys/{key}", (*Service).dropKey},
	{"POST", "/v1/models/{model}/run", (*Service).run},
	{"GET", "/healthz", (*Service).health},
	{"GET", "/metrics", (*Service).writeMetrics},
	{"GET", "/openapi.json", (*Service).openAPI},
}

func (s *Service) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range table {
		mux.Handle(r.method+" "+r.pattern, s.wrap(r.pattern, r.handle))
	}
	paths := map[string]bool{}
	for _, r := range table {
		if !paths[r.pattern] {
			paths[r.pattern] = true
			mux.Handle(r.pattern, s.wrap(r.pattern, func(s *Service, w http.ResponseWriter, r *http.Request) error {
				return failf(http.StatusMethodNotAllowed, CodeMethod, "%s takes another method than %s", r.URL.Path, r.Method)
			}))
		}
	}
	mux.Handle("/", s.wrap("other", func(s *Service, w http.ResponseWriter, r *http.Request) error {
		return failf(http.StatusNotFound, CodeNotFound, "there is nothing at this address; /openapi.json lists what there is")
	}))
	return mux
}

// counted remembers the status and counts the bytes of an answer.
type counted struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// wrap gives every request deadlines, turns errors into answers, and counts.
func (s *Service) wrap(pattern string, handle func(*Service, http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counted{ResponseWriter: w, status: http.StatusOK}
		control := http.NewResponseController(w)
		control.SetReadDeadline(time.Now().Add(s.limits.Slack))
		control.SetWriteDeadline(time.Now().Add(s.limits.Slack + s.limits.RunTime + s.limits.Slack))
		c.Header().Set("Cache-Control", "no-store")
		c.Header().Set("X-Content-Type-Options", "nosniff")
		defer func() {
			if p := recover(); p != nil {
				s.metrics.request(pattern, http.StatusInternalServerError, 0)
				s.report(fmt.Errorf("service: panic in %s: %v\n%s", pattern, p, debug.Stack()))
				panic(http.ErrAbortHandler) // the connection ends: nobody takes what was written for an answer
			}
			s.metrics.request(pattern, c.status, c.bytes)
		}()
		if err := handle(s, c, r); err != nil {
			s.fail(c, r, err)
		}
	})
}

// fail answers with an error.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := s.explain(r, err)
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	if r.Body != nil && r.ContentLength != 0 {
		w.Header().Set("Connection", "close") // what is left of the body is not read
	}
	writeJSON(w, f.status, Error{f.text, f.code})
}

// explain finds the status and the code of an error. What is not known is a defect, whose text stays here.
func (s *Service) explain(r *http.Request, err error) *failure {
	var f *failure
	var file *tfhe.FileError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &failure{http.StatusRequestTimeout, CodeSlow, "the body did not arrive in time: send it faster"}
	case errors.As(err, &large):
		return &failure{http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("the body has more than the %d bytes that it can have", large.Limit)}
	case errors.As(err, &file):
		for _, m := range fileCodes {
			if errors.Is(file, m.err) {
				return &failure{m.status, m.code, err.Error()}
			}
		}
		return &failure{http.StatusBadRequest, CodeDamaged, err.Error()}
	case errors.Is(err, errBusy):
		return &failure{http.StatusServiceUnavailable, CodeBusy, errBusy.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{http.StatusServiceUnavailable, CodeTime, fmt.Sprintf("the rows were not done within %v: send fewer at a time, or try again later", s.limits.RunTime)}
	case r.Context().Err() != nil:
		return &failure{499, CodeSlow, "the client is gone"} // nobody reads it; metrics count it
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{http.StatusBadRequest, CodeTruncated, "the body ends too early"}
	}
	s.report(err)
	return &failure{http.StatusInternalServerError, CodeInternal, "the service failed; please report it"}
}

func (s *Service) report(err error) {
	if s.Report != nil {
		s.Report(err)
	}
}

// fileCodes says how errors about files are told.
var fileCodes = []struct {
	err    error
	status int
	code   string
}{
	{tfhe.ErrTruncated, http.StatusBadRequest, CodeTruncated},
	{tfhe.ErrDamaged, http.StatusBadRequest, CodeDamaged},
	{tfhe.ErrKind, http.StatusBadRequest, CodeKind},
	{tfhe.ErrVersion, http.StatusBadRequest, CodeVersion},
	{tfhe.ErrTooLarge, http.StatusRequestEntityTooLarge, CodeTooLarge},
	{tfhe.ErrKey, http.StatusConflict, CodeOtherKey},
	{tfhe.ErrModel, http.StatusConflict, CodeOtherModel},
	{tfhe.ErrRequest, http.StatusConflict, CodeRequest},
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)+1))
	w.WriteHeader(status)
	w.Write(append(data, '\n'))
	return nil
}

// writeBinary sends a file; a client that takes it too slowly is cut off.
func (s *Service) writeBinary(w http.ResponseWriter, data []byte) error {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.allowance(int64(len(data)))))
	w.Header().Set("Content-Type", binary)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data) // an error is the client's: it is gone
	return nil
}

// allowance is how long so many bytes may be on their way.
func (s *Service) allowance(bytes int64) time.Duration {
	return s.limits.Slack + time.Duration(float64(bytes)/float64(s.limits.MinRate)*float64(time.Second))
}

func (s *Service) model(r *http.Request) (*model, error) {
	if m := s.models[r.PathValue("model")]; m != nil {
		return m, nil
	}
	return nil, failf(http.StatusNotFound, CodeNotFound, "no model of this name is offered; /v1/models lists those that are")
}

func (s *Service) list(w http.ResponseWriter, _ *http.Request) error {
	list := ModelList{Models: []ModelInfo{}}
	for _, name := range s.names {
		m := s.models[name]
		list.Models = append(list.Models, ModelInfo{Name: name, ID: hex.EncodeToString(m.id[:]), NeedsKey: m.server.NeedsKey(),
			EvaluationKeyBytes: m.server.Parameters().EvaluationKeyFileBytes(), RequestBytes: m.spec.RequestBytes(), ResponseBytes: m.spec.ResponseBytes(),
			MaxRows: m.rows})
	}
	return writeJSON(w, http.StatusOK, list)
}

func (s *Service) client(w http.ResponseWriter, r *http.Request) error {
	m, err := s.model(r)
	if err != nil {
		return err
	}
	return s.writeBinary(w, m.ClientFile)
}

// keyName reads the name of a key, for a model that needs one.
func (m *model) keyName(text string) (keyName, error) {
	name := keyName{model: m.Name}
	if !m.server.NeedsKey() {
		return name, failf(http.StatusConflict, CodeNoKey, "this model needs no evaluation key")
	}
	if sum, err := hex.DecodeString(text); err != nil || copy(name.sum[:], sum) != len(name.sum) || len(sum) != len(name.sum) {
		return name, unknownKey()
	}
	return name, nil
}

// modelKey reads the model and the key of an address.
func (s *Service) modelKey(r *http.Request) (*model, keyName, error) {
	m, err := s.model(r)
	if err != nil {
		return nil, keyName{}, err
	}
	name, err := m.keyName(r.PathValue("key"))
	return m, name, err
}

func unknownKey() error {
	return failf(http.StatusNotFound, CodeUnknownKey, "no evaluation key of this name is loaded for the model: send it first, to /v1/models/{model}/keys")
}

func (s *Service) putKey(w http.ResponseWriter, r *http.Request) error {
	m, err := s.model(r)
	if err != nil {
		return err
	}
	if !m.server.NeedsKey() {
		return failf(http.StatusConflict, CodeNoKey, "this model needs no evaluation key: send requests right away")
	}
	size := m.server.Parameters().EvaluationKeyFileBytes()
	if r.ContentLength >= 0 && r.ContentLength != size {
		return failf(http.StatusBadRequest, CodeLength, "the body has %d bytes, an evaluation key of this model %d", r.ContentLength, size)
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.RunTime)
	defer cancel()
	load, keep := m.server.LoadMemory(), m.server.KeyMemory()
	if err := s.keys.reserve(ctx, load); err != nil {
		return err
	}
	kept := int64(0)
	defer func() { s.keys.release(load - kept) }()
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(s.allowance(size)))
	sum := sha256.New()
	body := &countingReader{r: io.TeeReader(http.MaxBytesReader(w, r.Body, size), sum)}
	ek, err := tfhe.ReadEvaluationKey(body)
	s.metrics.received(body.n)
	if err != nil {
		return bodyError(body, err)
	}
	control.SetReadDeadline(time.Time{})
	if err := s.loading.Acquire(ctx, 1); err != nil {
		return errBusy
	}
	srv, err := m.server.ForKey(ctx, ek, nil)
	s.loading.Release(1)
	if err != nil {
		return err
	}
	name := keyName{model: m.Name}
	copy(name.sum[:], sum.Sum(nil))
	status := http.StatusOK
	kept = keep
	if s.keys.put(name, srv, keep) {
		status = http.StatusCreated
	}
	return writeJSON(w, status, KeyInfo{Key: hex.EncodeToString(name.sum[:]), Bytes: size})
}

// countingReader counts, and keeps the first error that is not the end.
type countingReader struct {
	r   io.Reader
	n   int64
	err error
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF && c.err == nil {
		c.err = err
	}
	return n, err
}

// bodyError prefers what went wrong in the transfer to what a decoder made of it.
func bodyError(body *countingReader, err error) error {
	if body.err != nil {
		return body.err
	}
	return err
}

func (s *Service) getKey(w http.ResponseWriter, r *http.Request) error {
	m, name, err := s.modelKey(r)
	if err != nil {
		return err
	}
	if !s.keys.has(name) {
		return unknownKey()
	}
	return writeJSON(w, http.StatusOK, KeyInfo{Key: r.PathValue("key"), Bytes: m.server.Parameters().EvaluationKeyFileBytes()})
}

func (s *Service) dropKey(w http.ResponseWriter, r *http.Request) error {
	_, name, err := s.modelKey(r)
	if err != nil {
		return err
	}
	if !s.keys.drop(name) {
		return unknownKey()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) run(w http.ResponseWriter, r *http.Request) error {
	m, err := s.model(r)
	if err != nil {
		return err
	}
	rows, err := s.batchRows(m, r.ContentLength)
	if err != nil {
		return err
	}
	var name keyName
	if m.server.NeedsKey() {
		if name, err = m.keyName(r.URL.Query().Get("key")); err != nil {
			return err
		}
		if !s.keys.has(name) {
			return unknownKey()
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.RunTime)
	defer cancel()
	memory := batchBytes(m.spec, rows)
	if err := s.wire.Acquire(ctx, memory); err != nil {
		return errBusy
	}
	defer s.wire.Release(memory)
	requests, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	srv, done := m.server, func() {}
	if m.server.NeedsKey() { // only now: what a slow client sends keeps no key in memory
		if srv, done = s.keys.use(name); srv == nil {
			return unknownKey()
		}
	}
	defer done()
	start := time.Now()
	responses := bytes.NewBuffer(make([]byte, 0, m.spec.ResponseBatchBytes(rows)))
	n, err := srv.RunBatch(ctx, responses, bytes.NewReader(requests), nil)
	s.metrics.ran(m.Name, n, time.Since(start))
	if errors.Is(err, server.ErrNoKey) {
		return unknownKey()
	}
	if err != nil {
		return err
	}
	return s.writeBinary(w, responses.Bytes())
}

// batchRows finds the rows of a batch from its length.
func (s *Service) batchRows(m *model, length int64) (int, error) {
	head, row := m.spec.RequestBatchBytes(0), m.spec.RequestBatchBytes(1)-m.spec.RequestBatchBytes(0)
	switch {
	case length < 0:
		return 0, failf(http.StatusLengthRequired, CodeLength, "the length of the body must be announced (Content-Length)")
	case length > m.spec.RequestBatchBytes(m.rows):
		return 0, failf(http.StatusRequestEntityTooLarge, CodeTooLarge, "a batch has at most %d rows, which are %d bytes: divide it", m.rows, m.spec.RequestBatchBytes(m.rows))
	case length < head || (length-head)%row != 0:
		return 0, failf(http.StatusBadRequest, CodeTruncated, "%d bytes are no whole number of rows of this model: they are cut short, or for another model", length)
	}
	return int((length - head) / row), nil
}

// readBody reads a body whose length is known and for which memory is reserved.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(s.allowance(r.ContentLength)))
	data := make([]byte, r.ContentLength)
	n, err := io.ReadFull(r.Body, data)
	s.metrics.received(int64(n))
	if err != nil {
		return nil, err
	}
	r.Body.Read(make([]byte, 1))         // the end, from where on the server notices a client that goes away
	control.SetReadDeadline(time.Time{}) // which would also end the connection while rows are computed
	return data, nil
}

func (s *Service) health(w http.ResponseWriter, _ *http.Request) error {
	if s.ending.Load() {
		return writeJSON(w, http.StatusServiceUnavailable, Status{"ending"})
	}
	return writeJSON(w, http.StatusOK, Status{"ok"})
}

func (s *Service) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Write(OpenAPI)
	return nil
}
