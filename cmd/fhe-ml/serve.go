package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fhe-ml/fhe-ml/compiler/server/service"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	addr, tlsCert, tlsKey string
	memory                int64
	rows                  int
	slack, runTime, grace time.Duration
}

func (a *app) serveCommand() *cobra.Command {
	o := serveOptions{memory: 2e9}
	cmd := &cobra.Command{
		Use:   "serve NAME.fheml...",
		Short: "Offer models to clients over HTTP",
		Long: `Serve answers encrypted rows over HTTP until it is interrupted; then it finishes what is in work. It needs no file but the
models, and keeps clients' evaluation keys in memory only. It never has a secret key, and cannot read a row or an answer.

A model is offered under the name of its file. fhe-ml predict --server is the client; GET /openapi.json describes the
interface for others, GET /metrics counts in the format of Prometheus, GET /healthz says whether it takes requests.

Without --addr only programs on this machine can reach it. For others give an address, and --tls-cert and --tls-key or a
proxy that does TLS; the proxy can also ask who a client is, which serve does not.`,
		Example: `  fhe-ml serve model.fheml
  fhe-ml serve trees.fheml network.fheml --addr 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem --memory 8GB
  fhe-ml predict --server http://127.0.0.1:8000 --input rows.csv`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("serve: NAME.fheml is missing; see fhe-ml serve --help")
			}
			return nil
		},
		ValidArgsFunction: fileArgument("fheml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (o.tlsCert == "") != (o.tlsKey == "") {
				return usagef("serve: --tls-cert and --tls-key belong together; give both or none")
			}
			for _, d := range []struct {
				flag string
				time time.Duration
			}{{"timeout", o.slack}, {"run-time", o.runTime}, {"grace", o.grace}} {
				if d.time <= 0 {
					return usagef("serve: --%s %v: want a time above zero, like 20s or 10m", d.flag, d.time)
				}
			}
			return a.serve(cmd.Context(), args, o)
		},
	}
	cmd.Flags().StringVar(&o.addr, "addr", "127.0.0.1:8000", "listen at `HOST:PORT`; port 0 takes a free one, no host is all addresses")
	cmd.Flags().Var((*byteSize)(&o.memory), "memory", "memory for keys and rows in work, like 500MB or 8GB")
	cmd.Flags().Var(&number{&o.rows, 1, math.MaxInt32, "1000"}, "max-rows", "rows that a client may send at a time")
	cmd.Flags().DurationVar(&o.slack, "timeout", 20*time.Second, "cut off a client that is silent for `TIME` or sends under 64 kB a second")
	cmd.Flags().DurationVar(&o.runTime, "run-time", 10*time.Minute, "give rows up that are not done after `TIME`")
	cmd.Flags().DurationVar(&o.grace, "grace", 30*time.Second, "finish work for up to `TIME` when interrupted")
	addFile(cmd, &o.tlsCert, "tls-cert", "certificate `FILE` (PEM), for https", "pem", "crt")
	addFile(cmd, &o.tlsKey, "tls-key", "private key `FILE` (PEM) of the certificate", "pem", "key")
	return cmd
}

func (a *app) serve(ctx context.Context, paths []string, o serveOptions) error {
	var offered []service.Model
	for _, path := range paths {
		c, err := openModel(path)
		if err != nil {
			return err
		}
		var file bytes.Buffer
		if _, err := c.ClientFile().WriteTo(&file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name := filepath.Base(path)
		offered = append(offered, service.Model{Name: strings.TrimSuffix(name, modelExt), Circuit: c.Circuit, ClientFile: file.Bytes()})
	}
	s, err := service.New(offered, service.Limits{Memory: o.memory, Threads: a.threads, Rows: o.rows, Slack: o.slack, RunTime: o.runTime, Grace: o.grace})
	if err != nil {
		return err
	}
	s.Report = func(err error) { fmt.Fprintf(a.stderr, "fhe-ml: %s\n", plain(err)) }
	scheme := "http"
	var certificate tls.Certificate
	if o.tlsCert != "" {
		if certificate, err = tls.LoadX509KeyPair(o.tlsCert, o.tlsKey); err != nil {
			return fmt.Errorf("--tls-cert %s, --tls-key %s: %w", o.tlsCert, o.tlsKey, err)
		}
		scheme = "https"
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("--addr %s: %w", o.addr, listenCause(err))
	}
	if o.tlsCert != "" {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	}
	debug.SetMemoryLimit(o.memory)
	var names []string
	for _, m := range offered {
		names = append(names, m.Name)
	}
	a.note("serving %s at %s://%s; Ctrl-C ends", strings.Join(names, ", "), scheme, listener.Addr())
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && scheme == "http" {
		a.note("others can reach this address, and http does not show them whom they talk to: use --tls-cert and --tls-key, or a proxy that does TLS")
	}
	return s.Serve(ctx, listener)
}

// listenCause is the part of an error that says why there is no listener.
func listenCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// byteSize is a flag with a number of bytes: 500MB, 2GB, 1GiB.
type byteSize int64

var sizeUnits = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

func (b *byteSize) String() string { return strings.ReplaceAll(size(int64(*b)), " ", "") }
func (b *byteSize) Type() string   { return "SIZE" }

func (b *byteSize) Set(s string) error {
	for _, unit := range sizeUnits {
		text, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if v *= unit.bytes; err != nil || !(v >= 1e6 && v <= 1e15) {
			break
		}
		*b = byteSize(v)
		return nil
	}
	return &valueError{"a size of 1MB or more, like 500MB or 8GB"}
}
