package main

import (
	"context"
	"os"
	"time"
)

// starts is how long a newcomer waits: from `portico dev` to its screen, without a data folder and with one.
func starts(ctx context.Context, l *lab) ([]figure, error) {
	var cold, warm []float64
	for range pick(l, 5, 1) {
		folder, err := os.MkdirTemp(l.scratch, "dev-")
		if err != nil {
			return nil, err
		}
		for _, times := range []*[]float64{&cold, &warm} {
			seconds, err := l.untilReady(ctx, folder)
			if err != nil {
				return nil, err
			}
			*times = append(*times, seconds)
		}
	}
	return []figure{
		of("portico dev, cold", "s", cold...).because("makes cluster, schema and demo"),
		of("portico dev, warm", "s", warm...),
	}, nil
}

func (l *lab) untilReady(ctx context.Context, folder string) (float64, error) {
	started := time.Now()
	p, err := l.portico(ctx, nil, "dev", "--json", "--addr", "127.0.0.1:0", "--data-dir", folder)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	_, err = p.line(ctx, `"graphqlUrl"`)
	return time.Since(started).Seconds(), err
}
