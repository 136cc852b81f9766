package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/fhe-ml/fhe-ml/tfhe"
)

// hostile answers what its fields say.
type hostile struct {
	names  []string
	status int
	run    []byte
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/models" {
		var list struct {
			Models []Info `json:"models"`
		}
		for _, name := range h.names {
			list.Models = append(list.Models, Info{Name: name})
		}
		json.NewEncoder(w).Encode(list)
		return
	}
	w.WriteHeader(h.status)
	w.Write(h.run)
}

// dial starts a service that offers one model.
func dial(t *testing.T, h *hostile) *Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	r, err := Dial(t.Context(), s.URL, "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRunBatchBounded: of an answer no more is taken than a batch of responses can have, also where it has no end.
func TestRunBatchBounded(t *testing.T) {
	const size = 1000
	for length, tooLong := range map[int]bool{0: false, size - 1: false, size: false, size + 1: true, 1 << 22: true} {
		h := &hostile{names: []string{"m"}, status: 200, run: bytes.Repeat([]byte("r"), length)}
		var got bytes.Buffer
		err := dial(t, h).RunBatch(t.Context(), &got, []byte("requests"), size)
		if (err != nil) != tooLong || tooLong && !strings.Contains(err.Error(), "more than the 1000 bytes") {
			t.Errorf("%d bytes of at most %d: %v", length, size, err)
		}
		if want := min(length, size); got.Len() != want {
			t.Errorf("%d bytes of at most %d: took %d", length, size, got.Len())
		}
	}
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			(&hostile{names: []string{"m"}}).ServeHTTP(w, r)
			return
		}
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<12)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	r, err := Dial(t.Context(), endless.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := r.RunBatch(t.Context(), &got, nil, size); err == nil || got.Len() > size {
		t.Errorf("an answer without end: %d bytes, %v", got.Len(), err)
	}
}

// TestErrorsAreShowable: whatever a service writes, errors are one short line that steers no terminal.
func TestErrorsAreShowable(t *testing.T) {
	evil := "\x1b]0;owned\a\x1b[2J\r\nfhe-ml: all is well\u202e\u009b31m\x00" + strings.Repeat("long ", 1e5)
	check := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		text := err.Error()
		if n := utf8.RuneCountInString(text); n > 1000 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %d characters: %.200q", what, n, text)
		}
	}
	body := func(code string) []byte {
		data, err := json.Marshal(map[string]string{"error": evil, "code": code})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, code := range []string{"internal", "damaged", evil} {
		h := &hostile{names: []string{"m"}, status: 500, run: body(code)}
		err := dial(t, h).RunBatch(t.Context(), &bytes.Buffer{}, nil, 0)
		check("code "+code[:7], err)
		if code == "damaged" && !errors.Is(err, tfhe.ErrDamaged) {
			t.Errorf("code %s is %v", code, err)
		}
		_, err = dial(t, h).ClientFile(t.Context())
		check("client file", err)
	}
	check("no JSON", dial(t, &hostile{names: []string{"m"}, status: 500, run: []byte(evil)}).RunBatch(t.Context(), &bytes.Buffer{}, nil, 0))
	s := httptest.NewServer(&hostile{names: []string{evil, "b"}})
	defer s.Close()
	for _, model := range []string{"", "c"} {
		_, err := Dial(t.Context(), s.URL, model, nil)
		check("names of models", err)
		if !errors.Is(err, ErrUnknownModel) {
			t.Error(err)
		}
	}
	if got, want := shown("rows 1–3: größer als 5 €"), "rows 1–3: größer als 5 €"; got != want {
		t.Errorf("%q becomes %q", want, got)
	}
}
