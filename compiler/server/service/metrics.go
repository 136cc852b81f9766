package service

import (
	"fmt"
	"net/http"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"time"
)

// metricsBuckets are the upper bounds, in seconds, of the histogram of batches.
var metricsBuckets = []float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300}

// counters count what /metrics shows, in the text format of Prometheus.
type counters struct {
	mu       sync.Mutex
	requests map[requestLabels]int64
	sent     int64
	got      int64
	runs     map[string]*runCounters // by model
}

type requestLabels struct {
	pattern string
	status  int
}

// runCounters are of the batches of one model.
type runCounters struct {
	rows    int64
	buckets []int64 // batches that took at most so long
	batches int64
	seconds float64
}

func newMetrics(models []string) *counters {
	m := &counters{requests: map[requestLabels]int64{}, runs: map[string]*runCounters{}}
	for _, name := range models {
		m.runs[name] = &runCounters{buckets: make([]int64, len(metricsBuckets))}
	}
	return m
}

// request counts an answer.
func (m *counters) request(pattern string, status int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[requestLabels{pattern, status}]++
	m.sent += bytes
}

// received counts bytes of bodies.
func (m *counters) received(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got += bytes
}

// ran counts a batch.
func (m *counters) ran(model string, rows int, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.runs[model]
	r.rows += int64(rows)
	r.batches++
	r.seconds += took.Seconds()
	for i, bound := range metricsBuckets {
		if took.Seconds() <= bound {
			r.buckets[i]++
		}
	}
}

// writeMetrics writes everything in a fixed order. Labels are addresses of the table and names of models, which need no escapes.
func (s *Service) writeMetrics(w http.ResponseWriter, _ *http.Request) error {
	var b strings.Builder
	line := func(name, labels string, value any) {
		if labels != "" {
			labels = "{" + labels + "}"
		}
		fmt.Fprintf(&b, "%s%s %v\n", name, labels, value)
	}
	head := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	one := func(name, kind, help string, value any) {
		head(name, kind, help)
		line(name, "", value)
	}

	m := s.metrics
	m.mu.Lock()
	head("fheml_requests_total", "counter", "Answered HTTP requests, by address and status.")
	labels := make([]requestLabels, 0, len(m.requests))
	for l := range m.requests {
		labels = append(labels, l)
	}
	slices.SortFunc(labels, func(a, b requestLabels) int {
		if c := strings.Compare(a.pattern, b.pattern); c != 0 {
			return c
		}
		return a.status - b.status
	})
	for _, l := range labels {
		line("fheml_requests_total", fmt.Sprintf("path=%q,status=\"%d\"", l.pattern, l.status), m.requests[l])
	}
	one("fheml_received_bytes_total", "counter", "Bytes of keys and requests that arrived.", m.got)
	one("fheml_sent_bytes_total", "counter", "Bytes of answers.", m.sent)
	head("fheml_rows_total", "counter", "Rows computed, by model.")
	for _, name := range s.names {
		line("fheml_rows_total", fmt.Sprintf("model=%q", name), m.runs[name].rows)
	}
	head("fheml_batch_seconds", "histogram", "Time of batches from the last byte of the requests to the last response, by model.")
	for _, name := range s.names {
		r := m.runs[name]
		for i, bound := range metricsBuckets {
			line("fheml_batch_seconds_bucket", fmt.Sprintf("model=%q,le=\"%g\"", name, bound), r.buckets[i])
		}
		line("fheml_batch_seconds_bucket", fmt.Sprintf("model=%q,le=\"+Inf\"", name), r.batches)
		line("fheml_batch_seconds_sum", fmt.Sprintf("model=%q", name), r.seconds)
		line("fheml_batch_seconds_count", fmt.Sprintf("model=%q", name), r.batches)
	}
	m.mu.Unlock()

	keys, memory, evicted := s.keys.count()
	one("fheml_keys", "gauge", "Loaded evaluation keys.", keys)
	one("fheml_keys_bytes", "gauge", "Memory of loaded evaluation keys.", memory)
	one("fheml_keys_evicted_total", "counter", "Evaluation keys forgotten to make room.", evicted)
	one("fheml_memory_limit_bytes", "gauge", "Memory that the service keeps to.", s.limits.Memory)
	one("fheml_heap_bytes", "gauge", "Memory of live and dead objects.", heapBytes())
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write([]byte(b.String()))
	return nil
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
