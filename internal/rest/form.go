package rest

import (
	"net/url"
	"slices"
	"strings"

	"portico/internal/fault"
)

// refuse has a form show again what was typed, and each fault beside the field that it is about.
func (v *view) refuse(faults fault.Errors, typed url.Values) {
	v.Given, v.Wrong = map[string]string{}, map[string]string{}
	for field := range typed {
		v.Given[field] = typed.Get(field)
	}
	for _, one := range faults {
		field := strings.Join(one.Field, ".")
		if _, is := typed[field]; !is {
			v.Problem = sentenceOf(one)
			continue
		}
		v.Wrong[field] = sentenceOf(one)
	}
}

// sentenceOf is a fault for a person to read. The messages of most are what is to be said of their field.
func sentenceOf(f *fault.Error) string {
	message, field := f.Message, strings.Join(f.Field, ".")
	if field == "email" {
		return "Give an e-mail address, such as ada@example.com."
	}
	name := map[string]string{"reason": "The reason", "subscription": "The subscription"}[field]
	first, _, _ := strings.Cut(message, " ")
	if name != "" && slices.Contains([]string{"can", "has", "is", "must"}, first) {
		message = name + " " + message
	}
	if message != "" {
		message = strings.ToUpper(message[:1]) + message[1:]
	}
	if !strings.HasSuffix(message, ".") {
		message += "."
	}
	return message
}
