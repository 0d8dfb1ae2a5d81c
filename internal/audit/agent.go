package audit

import (
	"regexp"
	"strings"
)

// maxAgent is the length of a summary, as the table has it.
const maxAgent = 120

// product is a program and its version. Neither form has room for a credential or an address.
var product = regexp.MustCompile(`(?:^|[ (])([A-Za-z][A-Za-z.-]{0,23}/[0-9][0-9.]{0,15})(?:[ ;)]|$)`)

// Summary is what is kept of a User-Agent header: the programs that it names, with their versions. The rest is anybody's text.
func Summary(header string) string {
	var summary strings.Builder
	const most = 1024
	for _, found := range product.FindAllStringSubmatch(strings.ReplaceAll(header[:min(len(header), most)], " ", "  "), -1) {
		if summary.Len()+1+len(found[1]) > maxAgent {
			break
		}
		if summary.Len() > 0 {
			summary.WriteByte(' ')
		}
		summary.WriteString(found[1])
	}
	return summary.String()
}
