package server

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/fhe-ml/fhe-ml/compiler"
	"github.com/fhe-ml/fhe-ml/tfhe"
)

// RowError is an error of one row of a batch.
type RowError struct {
	Row int // counted from 1
	Err error
}

func (e *RowError) Error() string { return fmt.Sprintf("server: row %d: %v", e.Row, e.Err) }

// Unwrap returns Err.
func (e *RowError) Unwrap() error { return e.Err }

// RunBatch answers a batch of requests: it reads them from r as cores become free and writes the batch of responses to w, in the same order. At most
// three more rows are in memory than run at a time. It returns how many were written; after an error what was written is not a whole batch, and cannot be mistaken
// for one. progress, which may be nil, is told of rows.
func (s *Server) RunBatch(ctx context.Context, w io.Writer, r io.Reader, progress tfhe.Progress) (rows int, err error) {
	in, err := compiler.NewRequestReader(r, s.Spec())
	if err != nil {
		return 0, err
	}
	if _, err := s.checkKey(in.Key()); err != nil { // before the first row is read
		return 0, err
	}
	out, err := compiler.NewResponseWriter(w, in)
	if err != nil {
		return 0, err
	}
	cores := s.Cores()
	share := min(in.Rows(), cores.rows)
	pending := make(chan chan *compiler.Response, max(share, 1)) // results in order
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(pending)
		return s.start(ctx, group, in, share, pending)
	})
	group.Go(func() error {
		for result := range pending {
			var res *compiler.Response
			select {
			case res = <-result:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if err := out.WriteResponse(res); err != nil {
				return err
			}
			rows++
			if progress != nil {
				progress(rows, in.Rows())
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return rows, err
	}
	return rows, out.Close()
}

// start reads one request after the other and starts a goroutine for each, as long as there is room in pending.
func (s *Server) start(ctx context.Context, group *errgroup.Group, in *compiler.RequestReader, share int, pending chan<- chan *compiler.Response) error {
	for row := 1; ; row++ {
		req, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		result := make(chan *compiler.Response, 1)
		select {
		case pending <- result:
		case <-ctx.Done():
			return ctx.Err()
		}
		group.Go(func() error {
			res, err := s.run(ctx, req, share, nil)
			if err != nil {
				if errors.Is(err, context.Canceled) && ctx.Err() != nil {
					return err
				}
				return &RowError{row, err}
			}
			result <- res
			return nil
		})
	}
}
