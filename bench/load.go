package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// loaded is what a run of the load generator reports.
type loaded struct {
	Requests  int     `json:"requests"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50Ms"`
	P99       float64 `json:"p99Ms"`
}

// warmUp precedes every measurement: connections are made, caches filled.
const warmUp = 300 * time.Millisecond

// load is the role of the load generator. Each of its connections sends one request after the other, as fast as answers come. It does
// as little as possible, because it shares the machine with what it measures: requests are ready-made bytes, and an answer is
// looked at just enough to know that it is whole and right.
func load(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	connections := flags.Int("connections", 1, "")
	duration := flags.Duration("duration", time.Second, "")
	expect := flags.String("expect", "", "what every answer holds")
	address := flags.String("address", "", "")
	file := flags.String("requests", "", "JSON array of requests")
	if err := flags.Parse(args); err != nil {
		return err
	}
	text, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	var requests [][]byte
	if err := json.Unmarshal(text, &requests); err != nil {
		return err
	}
	from := time.Now().Add(warmUp)
	until := from.Add(*duration)
	latencies := make([][]time.Duration, *connections)
	group, ctx := errgroup.WithContext(ctx)
	for i := range *connections {
		group.Go(func() error {
			c := &caller{requests: requests, next: i * len(requests) / *connections, expect: []byte(*expect)}
			var err error
			latencies[i], err = c.run(ctx, *address, from, until)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return json.NewEncoder(os.Stdout).Encode(loaded{
		Requests: len(all), PerSecond: float64(len(all)) / duration.Seconds(),
		P50: milliseconds(percentile(all, 50)), P99: milliseconds(percentile(all, 99)),
	})
}

// caller is one connection.
type caller struct {
	requests [][]byte
	next     int
	expect   []byte
	reader   *bufio.Reader
	body     []byte
}

func (c *caller) run(ctx context.Context, address string, from, until time.Time) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(until.Add(10 * time.Second)); err != nil {
		return nil, err
	}
	c.reader = bufio.NewReaderSize(conn, 64<<10)
	var latencies []time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		if began.After(until) {
			return latencies, nil
		}
		if _, err := conn.Write(c.requests[c.next%len(c.requests)]); err != nil {
			return nil, err
		}
		c.next++
		if err := c.answer(); err != nil {
			return nil, err
		}
		if began.After(from) {
			latencies = append(latencies, time.Since(began))
		}
	}
	return nil, ctx.Err()
}

// answer reads one answer. It must be a 200 that holds what is expected.
func (c *caller) answer() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	status := string(line)
	length, chunked := 0, false
	for {
		if line, err = c.line(); err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	c.body = c.body[:0]
	if chunked {
		err = c.readChunks()
	} else {
		err = c.read(length)
	}
	if err == nil && (!strings.HasPrefix(status, "HTTP/1.1 200 ") || !bytes.Contains(c.body, c.expect)) {
		err = fmt.Errorf("unexpected answer: %s: %.500s", status, c.body)
	}
	return err
}

// line is valid until the next is read.
func (c *caller) line() ([]byte, error) {
	line, err := c.reader.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// read appends that many bytes to the body.
func (c *caller) read(n int) error {
	had := len(c.body)
	c.body = slices.Grow(c.body, n)[:had+n]
	_, err := io.ReadFull(c.reader, c.body[had:])
	return err
}

func (c *caller) readChunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil {
			return err
		}
		if err := c.read(int(size)); err != nil {
			return err
		}
		if _, err := c.line(); err != nil || size == 0 {
			return err
		}
	}
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// target is a server and the requests it gets.
type target struct {
	address     string
	file        string // of the requests
	expect      string
	connections int
}

// newTarget keeps the requests where the load generator finds them.
func (l *lab) newTarget(address, expect string, connections int, requests [][]byte) (target, error) {
	text, err := json.Marshal(requests)
	if err != nil {
		return target{}, err
	}
	file, err := os.CreateTemp(l.scratch, "requests-")
	if err != nil {
		return target{}, err
	}
	_, err = file.Write(text)
	return target{address: address, file: file.Name(), expect: expect, connections: connections}, errors.Join(err, file.Close())
}

// load runs the load generator in a process of its own.
func (l *lab) load(ctx context.Context, t target, duration time.Duration) (loaded, error) {
	p, err := l.helper(ctx, "load", "-address", t.address, "-requests", t.file, "-expect", t.expect,
		"-connections", strconv.Itoa(t.connections), "-duration", duration.String())
	if err != nil {
		return loaded{}, err
	}
	select {
	case <-p.done:
	case <-time.After(duration + patience):
		p.stop()
	}
	var result loaded
	if err := json.Unmarshal([]byte(p.text()), &result); err != nil || result.Requests == 0 {
		return loaded{}, fmt.Errorf("load %s: %s", filepath.Base(t.file), p.tail())
	}
	return result, nil
}

// post is the bytes of a request with a JSON body.
func post(path string, header map[string]string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var request bytes.Buffer
	fmt.Fprintf(&request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", path, len(text))
	for name, value := range header {
		fmt.Fprintf(&request, "%s: %s\r\n", name, value)
	}
	request.WriteString("\r\n")
	request.Write(text)
	return request.Bytes(), nil
}
