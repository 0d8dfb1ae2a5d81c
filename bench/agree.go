package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"time"
)

// agree sends every server its first request and compares what they say: rates of different answers could not be compared.
func agree(ctx context.Context, all []peer, requests func(peer) [][]byte) error {
	var first []string
	for i, p := range all {
		body, err := askOnce(ctx, p.address, requests(p)[0])
		if err != nil {
			return fmt.Errorf("ask %s: %w", p.label, err)
		}
		said, err := scalars(body)
		if err != nil {
			return fmt.Errorf("what %s says: %w; its output ends:\n%s", p.label, err, p.process.tail())
		}
		if i == 0 {
			first = said
		} else if !slices.Equal(first, said) {
			return fmt.Errorf("%s says %q, %s says %q", all[0].label, first, p.label, said)
		}
	}
	return nil
}

func askOnce(ctx context.Context, address string, request []byte) ([]byte, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	c := &caller{reader: bufio.NewReaderSize(conn, 64<<10), expect: []byte(`"data"`)}
	err = c.answer()
	return c.body, err
}

// scalars are the values of an answer as text, sorted, whatever the shape around them: servers nest and name differently. Numbers may be
// strings, instants have many spellings, and features, which only Portico and Mercurius unpack, are left out.
func scalars(body []byte) ([]string, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var answer struct{ Data, Errors any }
	if err := decoder.Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Errors != nil || answer.Data == nil {
		return nil, fmt.Errorf("no answer: %.500s", body)
	}
	found := collect(nil, answer.Data)
	slices.Sort(found)
	return found, nil
}

func collect(found []string, value any) []string {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if name != "features" {
				found = collect(found, member)
			}
		}
	case []any:
		for _, element := range v {
			found = collect(found, element)
		}
	default:
		text := fmt.Sprint(v)
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			text = at.UTC().Format(time.RFC3339)
		}
		found = append(found, text)
	}
	return found
}
