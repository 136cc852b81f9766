package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/compiler/client"
	"github.com/fhe-ml/fhe-ml/compiler/client/remote"
	"github.com/fhe-ml/fhe-ml/models"
	"github.com/fhe-ml/fhe-ml/quantize"
)

// A part of the rows is sent as one batch: of at most so many rows and, where they are large, so many bytes, so that there is progress to be seen. Several are on their way at a time.
const (
	partRows    = 50
	partBytes   = 8 << 20
	partsAtOnce = 2
)

// predictAt predicts the rows of a file on a server. It has no model: the server gives the client file.
func (a *app) predictAt(ctx context.Context, model string, _ models.Mode, o predictOptions) (*quantize.Postprocessing, *rows, *predicted, error) {
	srv, err := remote.Dial(ctx, o.server, model, nil)
	if errors.Is(err, remote.ErrUnknownModel) {
		return nil, nil, nil, fmt.Errorf("%w; like fhe-ml predict NAME --server %s", err, o.server)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	data, err := srv.ClientFile(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	file, err := models.ReadClientFile(bytes.NewReader(data))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", o.server, err)
	}
	r, err := openRows(o.input, clientInfo(file), o.target, o.rows)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := r.readTarget(&file.Post); err != nil {
		return nil, nil, nil, err
	}
	a.noteOrder(r)
	p := &predicted{clippedRows: make([]int, len(file.Pre.Columns)), predictions: make([]quantize.Prediction, len(r.x))}
	keys, err := a.remoteKeys(ctx, file, o.keys, p)
	if err != nil {
		return nil, nil, nil, err
	}
	cl, err := models.NewClient(file, keys.Secret)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", o.keys, err)
	}
	info := srv.Info()
	a.note("%s: %s to send, %s to receive%s", o.server, size(cl.RequestBytes(len(r.x))), size(file.Spec.ResponseBatchBytes(len(r.x))), sentKey(info))
	start := time.Now()
	bar := a.progress("send key", 0)
	err = srv.SendKey(ctx, keys.Evaluation)
	bar.done()
	if err != nil {
		return nil, nil, nil, err
	}
	p.keyLoad = time.Since(start)
	if o.keys == "" { // nobody can use these keys again
		defer srv.DropKey(context.WithoutCancel(ctx))
	}
	if err := a.sendRows(ctx, srv, cl, &file.Spec, r, p); err != nil {
		return nil, nil, nil, err
	}
	return &file.Post, r, p, nil
}

func sentKey(info remote.Info) string {
	if !info.NeedsKey {
		return ""
	}
	return ", after an evaluation key of " + size(info.EvaluationKeyBytes)
}

// remoteKeys reads keys or makes fresh ones.
func (a *app) remoteKeys(ctx context.Context, file *models.ClientFile, dir string, p *predicted) (*client.Keys, error) {
	if dir != "" {
		return keysOf(dir)
	}
	start := time.Now()
	bar := a.progress("keys", 0)
	defer bar.done()
	keys, err := models.GenerateKeys(ctx, file, bar.reporter())
	p.keyGen = time.Since(start)
	return keys, err
}

// sendRows sends the rows in parts, a few at a time, and puts the predictions in their places.
func (a *app) sendRows(ctx context.Context, srv *remote.Server, cl *models.Client, spec *compiler.ClientSpec, r *rows, p *predicted) error {
	part := max(1, min(partRows, srv.Info().MaxRows, int(partBytes/spec.RequestBytes())))
	bar := a.progress("predict", len(r.x))
	defer bar.done()
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for first := 0; first < len(r.x); first += part {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			part := r.x[first:min(first+part, len(r.x))]
			start := time.Now()
			var requests, responses bytes.Buffer
			sent, err := cl.EncryptRows(ctx, &requests, part, nil)
			var column *quantize.ColumnError
			if errors.As(err, &column) {
				column.Row += first
			}
			if err != nil {
				return fmt.Errorf("%s: %w", r.path, r.named(err))
			}
			encrypted := time.Now()
			if err := srv.RunBatch(ctx, &responses, requests.Bytes(), spec.ResponseBatchBytes(len(part))); err != nil {
				return err
			}
			ran := time.Now()
			predictions, err := cl.DecryptRows(ctx, &responses, sent.ID, nil)
			if err != nil {
				return fmt.Errorf("the answer of the server: %w", err)
			}
			mu.Lock()
			defer mu.Unlock()
			copy(p.predictions[first:], predictions)
			for i := range part { // times of a row are those of its part divided
				n := time.Duration(len(part))
				p.encrypt, p.run, p.decrypt = append(p.encrypt, encrypted.Sub(start)/n), append(p.run, ran.Sub(encrypted)/n), append(p.decrypt, time.Since(ran)/n)
				for _, c := range sent.Clips[i] {
					p.clippedRows[c.Feature]++
					p.clippedCells++
				}
				bar.step()
			}
			return nil
		})
	}
	return group.Wait()
}
