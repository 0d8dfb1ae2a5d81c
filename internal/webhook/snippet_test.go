package webhook_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// request is what reaches a receiver, and whether it may act on it.
type request struct {
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Now     int64             `json:"now"`
	name    string
	genuine bool
}

// with is the request with a header of its own.
func (r request) with(name, key, value string, genuine bool) request {
	r.name, r.genuine, r.Headers = name, genuine, maps.Clone(r.Headers)
	r.Headers[key] = value
	return r
}

// signer is whose signatures requests carry.
type signer struct {
	key     string // that a receiver verifies with
	version string
	sign    func(body string) string
}

// secretSigner signs with a secret of that many bytes.
func secretSigner(t *testing.T, size int) signer {
	t.Helper()
	secret := countingSecret(size)
	return signer{secret, "v1,", func(body string) string {
		signature, err := webhook.StandardSignature(secret, "evt_42", signedAt, []byte(body))
		require.NoError(t, err)
		return signature
	}}
}

// keySigner signs with an ed25519 key of its own.
func keySigner(t *testing.T) signer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return signer{"whpk_" + base64.StdEncoding.EncodeToString(public), "v1a,", func(body string) string {
		return webhook.AsymmetricSignature(private, "evt_42", signedAt, []byte(body))
	}}
}

// standardRequests are genuine and forged ones with the headers of Standard Webhooks; other is a signer that is not ours, or the one before
// a roll.
func standardRequests(ours, other signer) []request {
	const body = `{"event":"subscription.renewed","data":{"1":"<é😀` + "\u2028" + `>","a":[1e-7,null]}}`
	good, old := ours.sign(body), other.sign(body)
	bare := strings.TrimPrefix(good, ours.version)
	otherVersion := map[string]string{"v1,": "v1a,", "v1a,": "v1,"}[ours.version]
	at := signedAt.Unix()
	genuine := request{name: "as it was sent", genuine: true, Secret: ours.key, Body: body, Now: at, Headers: map[string]string{
		"webhook-id": "evt_42", "webhook-timestamp": strconv.FormatInt(at, 10), "webhook-signature": good,
	}}
	changed := func(name string, genuineStill bool, change func(*request)) request {
		r := genuine
		r.name, r.genuine, r.Headers = name, genuineStill, maps.Clone(genuine.Headers)
		change(&r)
		return r
	}
	return []request{
		genuine,
		changed("five minutes late", true, func(r *request) { r.Now += 300 }),
		changed("five minutes early", true, func(r *request) { r.Now -= 300 }),
		genuine.with("the old secret's signature first, during a roll", "webhook-signature", old+" "+good, true),
		genuine.with("the new secret's signature last, during a roll", "webhook-signature", good+" "+old, true),
		genuine.with("beside a signature of another version", "webhook-signature", otherVersion+strings.Repeat("A", 86)+"== "+good, true),

		changed("an altered body", false, func(r *request) { r.Body = strings.Replace(body, "renewed", "created", 1) }),
		changed("a body written again with a space", false, func(r *request) { r.Body += " " }),
		changed("an empty body", false, func(r *request) { r.Body = "" }),
		changed("the wrong secret", false, func(r *request) { r.Secret = other.key }),
		changed("an old timestamp", false, func(r *request) { r.Now += 301 }),
		changed("a timestamp ahead", false, func(r *request) { r.Now -= 301 }),
		genuine.with("a new timestamp on an old signature", "webhook-timestamp", strconv.FormatInt(at+10, 10), false),
		genuine.with("no number for a timestamp", "webhook-timestamp", "now", false),
		genuine.with("an empty timestamp", "webhook-timestamp", "", false),
		genuine.with("another id", "webhook-id", "evt_43", false),
		genuine.with("two signatures of secrets that are not ours", "webhook-signature", old+" "+old, false),
		genuine.with("the signature under another version", "webhook-signature", otherVersion+bare, false),
		genuine.with("the signature without a version", "webhook-signature", bare, false),
		genuine.with("half of the signature", "webhook-signature", good[:len(good)/2], false),
		genuine.with("a version alone", "webhook-signature", ours.version, false),
		genuine.with("an empty signature", "webhook-signature", "", false),
		changed("no headers", false, func(r *request) { r.Headers = map[string]string{} }),
	}
}

// portalRequests are genuine and forged ones with the header of existing receivers.
func portalRequests(t *testing.T) []request {
	t.Helper()
	body, err := webhook.StableJSON(webhook.Object{{"event", "subscription.renewed"}, {"data", webhook.Object{
		{"userMeta", json.RawMessage(`{"b": 1.0, "10": "<é\u2028>", "9": -0, "1e21": 1e21, "\u00e9": 1e-7, "__proto__": {"a": 1}}`)},
	}}})
	require.NoError(t, err)
	secret := countingSecret(32)
	good := webhook.PortalSignature(secret, body)
	genuine := request{name: "as it was sent", genuine: true, Secret: secret, Body: string(body), Headers: map[string]string{"x-portal-signature": good}}
	altered, stranger, bare := genuine, genuine, genuine
	altered.name, altered.genuine, altered.Body = "an altered body", false, strings.Replace(string(body), "renewed", "created", 1)
	stranger.name, stranger.genuine, stranger.Secret = "the wrong secret", false, countingSecret(24)
	bare.name, bare.genuine, bare.Headers = "no headers", false, map[string]string{}
	return []request{
		genuine, altered, stranger, bare,
		genuine.with("half of the signature", "x-portal-signature", good[:32], false),
		genuine.with("the signature and more", "x-portal-signature", good+"00", false),
		genuine.with("another signature", "x-portal-signature", strings.Repeat("0", 64), false),
	}
}

// runtime runs the blocks of a language, with a program that reads requests and writes a list of booleans.
type runtime struct {
	language, command string
	arguments         []string
	files             map[string]string // where $BLOCK is the block and $FUNCTION the function that it defines
}

func runtimes() []runtime {
	return []runtime{
		{"js", "node", []string{"snippet.mjs"}, map[string]string{"snippet.mjs": `$BLOCK
import { readFileSync } from 'node:fs'
const answers = JSON.parse(readFileSync(0, 'utf8')).map(({ secret, headers, body, now }) =>
  $FUNCTION(secret, headers, '$FUNCTION' === 'verifyPortalSignature' ? JSON.parse(body) : Buffer.from(body), now))
console.log(JSON.stringify(answers))
`}},
		{"python", "python3", []string{"snippet.py"}, map[string]string{"snippet.py": `$BLOCK
import json, sys
requests = json.loads(sys.stdin.buffer.read())
print(json.dumps([$FUNCTION(r["secret"], r["headers"], r["body"].encode(), r["now"]) for r in requests]))
`}},
		{"go", "go", []string{"run", "."}, map[string]string{"go.mod": "module snippet\n\ngo 1.24\n", "snippet.go": "package main\n\n$BLOCK", "main.go": `package main

import (
	"encoding/json"
	"net/http"
	"os"
	"time"
)

func main() {
	var requests []struct {
		Secret  string
		Headers map[string]string
		Body    string
		Now     int64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		panic(err)
	}
	answers := []bool{}
	for _, r := range requests {
		header := http.Header{}
		for name, value := range r.Headers {
			header.Set(name, value)
		}
		answers = append(answers, $FUNCTION(r.Secret, header, []byte(r.Body), time.Unix(r.Now, 0)))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
`}},
		{"php", "php", []string{"snippet.php"}, map[string]string{"snippet.php": `<?php
declare(strict_types=1);
$BLOCK
$requests = json_decode(file_get_contents('php://stdin'), true, 512, JSON_THROW_ON_ERROR);
echo json_encode(array_map(fn ($r) => $FUNCTION($r['secret'], $r['headers'], $r['body'], $r['now']), $requests));
`}},
	}
}

// TestEverySnippetOfTheDocumentationTellsGenuineRequestsFromForgedOnes runs the blocks of the section Verify as they stand there.
func TestEverySnippetOfTheDocumentationTellsGenuineRequestsFromForgedOnes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/webhooks.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## Verify\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	requests := map[string][]request{
		"verifywebhook":         standardRequests(secretSigner(t, 32), secretSigner(t, 24)),
		"verifyed25519":         standardRequests(keySigner(t), keySigner(t)),
		"verifyportalsignature": portalRequests(t),
	}
	ran := map[string]int{}
	for _, block := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(section, -1) {
		language, code := block[1], block[2]
		function := regexp.MustCompile(`(?m)^(?:export )?(?:function|def|func) (\w+)\(`).FindStringSubmatch(code)
		require.NotNil(t, function, code)
		asked := requests[strings.ToLower(strings.ReplaceAll(function[1], "_", ""))]
		require.NotEmpty(t, asked, "%s is no function that the test knows", function[1])
		ran[language]++
		t.Run(language+" "+function[1], func(t *testing.T) {
			t.Parallel()
			for _, r := range runtimes() {
				if r.language == language {
					r.judge(t, code, function[1], asked)
					return
				}
			}
			require.Fail(t, "nothing runs "+language)
		})
	}
	require.Equal(t, map[string]int{"js": 3, "python": 2, "go": 2, "php": 1}, ran)
}

// judge runs the block on the requests. Only PHP and Python's cryptography may be missing: the other tests need the others.
func (r runtime) judge(t *testing.T, code, function string, requests []request) {
	t.Helper()
	if _, err := exec.LookPath(r.command); err != nil {
		require.Equal(t, "php", r.language, "this test needs %s", r.command)
		t.Logf("not run: there is no %s on this machine", r.command)
		return
	}
	if strings.Contains(code, "from cryptography") && exec.CommandContext(t.Context(), r.command, "-c", "import cryptography").Run() != nil {
		t.Log("not run: Python has no cryptography on this machine")
		return
	}
	folder := t.TempDir()
	for name, text := range r.files {
		text = strings.NewReplacer("$BLOCK", code, "$FUNCTION", function).Replace(text)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	input, err := json.Marshal(requests)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), r.command, r.arguments...)
	command.Dir, command.Stdin = folder, bytes.NewReader(input)
	var problems bytes.Buffer
	command.Stderr = &problems
	output, err := command.Output()
	require.NoError(t, err, problems.String())
	var answers []bool
	require.NoError(t, json.Unmarshal(output, &answers), string(output))
	require.Len(t, answers, len(requests))
	for i, one := range requests {
		require.Equal(t, one.genuine, answers[i], one.name)
	}
}
