package account

import (
	"net/netip"
	"strings"
	"unicode"
)

// Origin is where a request of a person comes from. The zero value is the machine itself, which no limit holds.
type Origin struct {
	Address   netip.Addr
	UserAgent string // as the request says, which may be anything
}

// An IPv6 subscriber has a network of this size to choose addresses from.
const subscriberBits = 64

// network is what a client's attempts are counted by: the address, or the network that is one subscriber's.
func (o Origin) network() string {
	address := o.Address.Unmap().WithZone("")
	if address.Is6() {
		return netip.PrefixFrom(address, subscriberBits).Masked().String()
	}
	return address.String()
}

func (o Origin) address() string {
	if !o.Address.IsValid() {
		return ""
	}
	return o.Address.Unmap().WithZone("").String()
}

const maxUserAgent = 200

// userAgent is what is kept of the header: one line of text, cut.
func (o Origin) userAgent() string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(o.UserAgent, ""))
	if runes := []rune(text); len(runes) > maxUserAgent {
		text = string(runes[:maxUserAgent])
	}
	return strings.TrimSpace(text)
}

// deviceOf says in words what a user agent is, such as "Firefox on Linux": enough for people to recognise their own, empty when
// nothing is known. Browsers name those they descend from, so that the order matters.
func deviceOf(userAgent string) string {
	first := func(names ...[2]string) string {
		for _, name := range names {
			if strings.Contains(userAgent, name[0]) {
				return name[1]
			}
		}
		return ""
	}
	browser := first([2]string{"Edg/", "Edge"}, [2]string{"OPR/", "Opera"}, [2]string{"Firefox/", "Firefox"}, [2]string{"FxiOS/", "Firefox"},
		[2]string{"CriOS/", "Chrome"}, [2]string{"Chrome/", "Chrome"}, [2]string{"Safari/", "Safari"}, [2]string{"curl/", "curl"})
	system := first([2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"}, [2]string{"Android", "Android"}, [2]string{"Windows", "Windows"},
		[2]string{"Macintosh", "macOS"}, [2]string{"CrOS", "ChromeOS"}, [2]string{"Linux", "Linux"})
	switch {
	case browser == "":
		return system
	case system == "":
		return browser
	}
	return browser + " on " + system
}
