package webhook

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how many objects and arrays may enclose one another: far beyond any event, far below what a receiver's parser bears.
const maxDepth = 100

var errTooDeep = errors.New("the JSON value is nested deeper than " + strconv.Itoa(maxDepth) + " levels")

// Object is a JSON object whose members keep the order in which they are given. The exceptions are JavaScript's: keys that are
// array indexes (0 to 2^32-2, written plainly) come first in ascending order, and of a key given twice the last value stands where
// the first stood.
type Object []Member

// Member is one key of an Object and its value, of any type that StableJSON takes.
type Member struct {
	Key   string
	Value any
}

// StableJSON writes v as compact JSON that JavaScript's JSON.stringify(JSON.parse(text)) gives back byte for byte, because
// receivers verify x-portal-signature over that and not over what they received.
//
// It takes Object, maps with string keys (members sorted by key), slices, strings, booleans, all integers and floats, json.Number,
// json.RawMessage (its members keep their order), time.Time (UTC with milliseconds, as toISOString writes it), and pointers to
// these. A nil of any of these types is null. Other types, and types with a JSON or text form of their own, such as a secret that
// redacts itself, are an error.
//
// A number stays a number as long as a receiver reads what was written, and becomes a string that says it in full otherwise:
//   - beyond 2^53-1 in magnitude, floats included: the digits of an integer or of a number's text, ECMAScript's text of a float;
//   - a json.Number, or a number within raw JSON, with more digits than a double holds (0.12345678901234567890) or too small for
//     one (1e-400): its text as it was written. The 17 digits that other languages print for a double
//     (0.10000000000000001) are that double, and are written the way JavaScript writes it (0.1).
//
// NaN and the infinities are an error. Bytes that are not UTF-8 become U+FFFD each; a lone surrogate, which only raw JSON can hold,
// stays the escape that JavaScript writes for it.
func StableJSON(v any) ([]byte, error) {
	var w jsonWriter
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return w.buf, nil
}

type jsonWriter struct{ buf []byte }

// value appends v, which depth objects and arrays enclose.
func (w *jsonWriter) value(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		w.text("null")
		return nil
	case Object:
		return w.object(v, depth)
	case json.RawMessage:
		return w.raw(v, depth)
	case json.Number:
		return w.numberText(string(v))
	case time.Time:
		return w.time(v)
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		return w.pointer(rv, depth)
	}
	switch v.(type) {
	case json.Marshaler, encoding.TextMarshaler:
		return unsupported(rv)
	}
	return w.kind(rv, depth)
}

// kind appends a value of a type that may be named, such as a subscription's status, by what it is made of.
func (w *jsonWriter) kind(v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Bool:
		w.buf = strconv.AppendBool(w.buf, v.Bool())
	case reflect.String:
		w.string(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.integer(strconv.FormatInt(v.Int(), 10), -maxSafeInteger <= v.Int() && v.Int() <= maxSafeInteger)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.integer(strconv.FormatUint(v.Uint(), 10), v.Uint() <= maxSafeInteger)
	case reflect.Float32:
		// The shortest text that is this float32: 0.1 and not 0.10000000149011612.
		f, _ := strconv.ParseFloat(strconv.FormatFloat(v.Float(), 'g', -1, 32), 64)
		return w.float(f)
	case reflect.Float64:
		return w.float(v.Float())
	case reflect.Slice:
		return w.slice(v, depth)
	case reflect.Map:
		return w.stringMap(v, depth)
	default:
		return unsupported(v)
	}
	return nil
}

func (w *jsonWriter) pointer(v reflect.Value, depth int) error {
	if v.IsNil() {
		w.text("null")
		return nil
	}
	// A pointer counts as a level, so that one that leads to itself ends.
	if depth >= maxDepth {
		return errTooDeep
	}
	return w.value(v.Elem().Interface(), depth+1)
}

func (w *jsonWriter) slice(v reflect.Value, depth int) error {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return unsupported(v)
	}
	if v.IsNil() {
		w.text("null")
		return nil
	}
	if depth >= maxDepth {
		return errTooDeep
	}
	w.text("[")
	for i := range v.Len() {
		if i > 0 {
			w.text(",")
		}
		if err := w.value(v.Index(i).Interface(), depth+1); err != nil {
			return err
		}
	}
	w.text("]")
	return nil
}

func (w *jsonWriter) stringMap(v reflect.Value, depth int) error {
	if v.Type().Key().Kind() != reflect.String {
		return unsupported(v)
	}
	if v.IsNil() {
		w.text("null")
		return nil
	}
	members := make(Object, 0, v.Len())
	for entries := v.MapRange(); entries.Next(); {
		members = append(members, Member{entries.Key().String(), entries.Value().Interface()})
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Key, b.Key) })
	return w.object(members, depth)
}

func (w *jsonWriter) object(o Object, depth int) error {
	if o == nil {
		w.text("null")
		return nil
	}
	if depth >= maxDepth {
		return errTooDeep
	}
	members := w.openObject()
	for _, m := range o {
		members.key(func() { w.string(m.Key) })
		if err := w.value(m.Value, depth+1); err != nil {
			return err
		}
		members.end()
	}
	members.close()
	return nil
}

func (w *jsonWriter) time(t time.Time) error {
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return errors.New("the time's year does not have four digits")
	}
	w.string(t.Format("2006-01-02T15:04:05.000Z"))
	return nil
}

func unsupported(v reflect.Value) error {
	return errors.New("the type " + v.Type().String() + " has no stable JSON form")
}

func (w *jsonWriter) text(s string) { w.buf = append(w.buf, s...) }

func (w *jsonWriter) string(s string) {
	w.text(`"`)
	for _, r := range s {
		w.rune(r)
	}
	w.text(`"`)
}

// rune appends one character of a string as JSON.stringify does: it escapes what it must and nothing else.
func (w *jsonWriter) rune(r rune) {
	switch {
	case r == '"' || r == '\\':
		w.buf = append(w.buf, '\\', byte(r))
	case r == '\b':
		w.text(`\b`)
	case r == '\t':
		w.text(`\t`)
	case r == '\n':
		w.text(`\n`)
	case r == '\f':
		w.text(`\f`)
	case r == '\r':
		w.text(`\r`)
	case r < ' ' || utf16.IsSurrogate(r):
		const hex = "0123456789abcdef"
		w.buf = append(w.buf, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	default:
		w.buf = utf8.AppendRune(w.buf, r)
	}
}

// jsonMembers is an object under way: its members lie in the writer's buffer in the order given, and close puts them in order.
type jsonMembers struct {
	w     *jsonWriter
	open  int
	spans []span
}

// span is where a member lies in the buffer: its quoted key up to colon, and the whole of it up to end.
type span struct{ start, colon, end int }

func (w *jsonWriter) openObject() *jsonMembers {
	w.text("{")
	return &jsonMembers{w: w, open: len(w.buf)}
}

func (m *jsonMembers) key(write func()) {
	if len(m.spans) > 0 {
		m.w.text(",")
	}
	s := span{start: len(m.w.buf)}
	write()
	s.colon = len(m.w.buf)
	m.w.text(":")
	m.spans = append(m.spans, s)
}

func (m *jsonMembers) end() { m.spans[len(m.spans)-1].end = len(m.w.buf) }

func (m *jsonMembers) close() {
	if arranged := m.arrange(); !slices.Equal(arranged, m.spans) {
		given := bytes.Clone(m.w.buf[m.open:])
		m.w.buf = m.w.buf[:m.open]
		for i, s := range arranged {
			if i > 0 {
				m.w.text(",")
			}
			m.w.buf = append(m.w.buf, given[s.start-m.open:s.end-m.open]...)
		}
	}
	m.w.text("}")
}

// arrange gives the members as JavaScript would list them. Quoted keys stand for keys: equal ones are written alike.
func (m *jsonMembers) arrange() []span {
	place := make(map[string]int, len(m.spans))
	arranged := make([]span, 0, len(m.spans))
	for _, s := range m.spans {
		key := string(m.w.buf[s.start:s.colon])
		if i, again := place[key]; again {
			arranged[i] = s
			continue
		}
		place[key] = len(arranged)
		arranged = append(arranged, s)
	}
	slices.SortStableFunc(arranged, func(a, b span) int {
		return cmp.Compare(keyRank(m.w.buf[a.start:a.colon]), keyRank(m.w.buf[b.start:b.colon]))
	})
	return arranged
}

// keyRank is a quoted key's array index, or one rank behind them all.
func keyRank(quoted []byte) uint64 {
	const behind = 1<<32 - 1
	digits := quoted[1 : len(quoted)-1]
	if len(digits) == 0 || len(digits) > 10 || len(digits) > 1 && digits[0] == '0' {
		return behind
	}
	var index uint64
	for _, c := range digits {
		if !isDigit(c) {
			return behind
		}
		index = index*10 + uint64(c-'0')
	}
	return min(index, behind)
}
