package mail_test

import (
	"fmt"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	outbox "portico/internal/mail"
)

func TestEveryKindArrivesAsTextAndHTML(t *testing.T) {
	t.Parallel()
	expires := time.Date(2026, time.March, 29, 1, 30, 0, 0, time.FixedZone("", -3600))
	for _, c := range []struct {
		content outbox.Content
		subject string
		says    []string
	}{
		{outbox.VerifyEmail{Link: token, ExpiresAt: expires}, "Confirm your e-mail address", []string{"29 March 2026, 02:30 UTC"}},
		{outbox.PasswordReset{Link: token, ExpiresAt: expires}, "Choose a new password", []string{"29 March 2026, 02:30 UTC", "stays as it is"}},
		{outbox.PasswordChanged{Link: token, At: expires}, "Your password was changed", []string{"changed on 29 March 2026, 02:30 UTC"}},
		{outbox.SecondFactorChanged{Link: token, At: expires, On: true}, "Two-factor sign-in was turned on", []string{"on 29 March 2026, 02:30 UTC"}},
		{outbox.SecondFactorChanged{Link: token, At: expires}, "Two-factor sign-in was turned off", []string{"other sessions have ended"}},
		{outbox.OperatorReset{Link: token, At: expires}, "Your password as an operator was changed", []string{"from the shell on 29 March 2026, 02:30 UTC"}},
		{outbox.OperatorReset{Link: token, At: expires, SecondFactor: true}, "Your second factor as an operator was changed", []string{"All sessions"}},
		{
			outbox.Invitation{Merchant: "Äcorn & Söhne", InvitedBy: "Bo", Role: "administrator", Link: token, ExpiresAt: expires},
			"Invitation to Äcorn & Söhne", []string{"Bo invites you to join Äcorn & Söhne as administrator.", "29 March 2026, 02:30 UTC"},
		},
		{outbox.Invitation{Merchant: "Acorn", Link: token, ExpiresAt: expires}, "Invitation to Acorn", []string{"You are invited to join Acorn."}},
		{outbox.MagicLink{Merchant: "Acorn", Link: token, ExpiresAt: expires}, "Your link to Acorn", []string{"subscriptions with Acorn", "29 March 2026, 02:30 UTC"}},
		{outbox.MemberExists{Link: token}, "You have an account already", []string{"Nothing was changed."}},
		{
			outbox.EndpointFailing{Merchant: "Acorn", Endpoint: "https://acorn.test/hook", Since: expires, DisabledAt: expires.AddDate(0, 0, 5), Link: token},
			"A webhook endpoint of Acorn is failing", []string{"https://acorn.test/hook since 29 March 2026, 02:30 UTC", "until 3 April 2026, 02:30 UTC"},
		},
		{
			outbox.EndpointDisabled{Merchant: "Acorn", Endpoint: "https://acorn.test/hook", Link: token},
			"A webhook endpoint of Acorn was disabled", []string{"https://acorn.test/hook", "It answered 410", "kept for it, and are sent"},
		},
		{
			outbox.EndpointDisabled{Merchant: "Acorn", Endpoint: "https://acorn.test/hook", FailingSince: &expires, KeptDays: 90, Link: token},
			"A webhook endpoint of Acorn was disabled", []string{"since 29 March 2026, 02:30 UTC has failed", "for 90 days each"},
		},
	} {
		t.Run(fmt.Sprintf("%T %s", c.content, c.subject), func(t *testing.T) {
			t.Parallel()
			w := open(t)
			require.NoError(t, w.send(w.enqueued(outbox.Message{Recipient: ada, Cause: "it/1", Content: c.content})))
			got := w.server.Wait(ada, 1)[0]

			require.Equal(t, "portico@example.com", got.From)
			from, err := mail.ParseAddress(got.Header.Get("From"))
			require.NoError(t, err)
			require.Equal(t, &mail.Address{Name: "Portico Ünïted", Address: "portico@example.com"}, from)
			require.Equal(t, "<"+ada+">", got.Header.Get("To"))
			require.Equal(t, c.subject, got.Subject)
			require.Equal(t, "auto-generated", got.Header.Get("Auto-Submitted"))
			require.Regexp(t, `^<[0-9a-f]{40}@example\.com>$`, got.Header.Get("Message-Id"))
			sent, err := got.Header.Date()
			require.NoError(t, err)
			require.True(t, newYear.Equal(sent))
			require.Contains(t, got.Header.Get("Content-Type"), "multipart/alternative")
			for name := range got.Header {
				require.False(t, strings.HasPrefix(name, "List-") || name == "X-Mailer" || name == "User-Agent" || name == "Precedence", name)
			}

			require.Equal(t, token, got.Link())
			require.Contains(t, got.HTML, `href="https://portal.example.com/verify?token=8Qm2hTzP5rXw&amp;next=%2Fhome"`)
			require.Contains(t, got.HTML, ">https://portal.example.com/verify?token=8Qm2hTzP5rXw&amp;next=%2Fhome</a>", "the bare link")
			require.Contains(t, got.HTML, "prefers-color-scheme: dark")
			for _, sentence := range c.says {
				require.Contains(t, got.Text, sentence)
				require.Contains(t, got.HTML, strings.ReplaceAll(sentence, "&", "&amp;"))
			}
			require.NotContains(t, got.Text, "\n\n\n")
			require.NotContains(t, fmt.Sprintf("%v %+v", c.content, c.content), "8Qm2hTzP5rXw", "contents do not print their links")
		})
	}
}

func TestANameCanNeitherAddHeadersNorMarkup(t *testing.T) {
	t.Parallel()
	w := open(t)
	evil := "Acorn\r\nBcc: eve@example.test\r\n\r\n<script>alert(1)</script>\u202e\x00" + strings.Repeat("x", 500)
	require.NoError(t, w.send(w.enqueued(outbox.Message{Recipient: ada, Cause: "it/1", Content: outbox.Invitation{
		Merchant: evil, InvitedBy: evil, Role: evil, Link: token, ExpiresAt: newYear,
	}})))
	got := w.server.Wait(ada, 1)
	require.Len(t, got, 1)
	require.Len(t, w.server.Mails(), 1)
	require.Empty(t, got[0].Header.Get("Bcc"))
	require.True(t, strings.HasPrefix(got[0].Subject, "Invitation to Acorn Bcc: eve@example.test <script>alert(1)</script>x"), got[0].Subject)
	require.Less(t, len([]rune(got[0].Subject)), 250)
	require.NotContains(t, got[0].HTML, "<script>")
	require.Contains(t, got[0].HTML, "&lt;script&gt;")
	require.NotContains(t, got[0].Text, "\nBcc:")
	require.NotContains(t, got[0].Text, "\u202e")
}

func TestARecipientThatNoHeaderCanHoldFailsItsMailOnly(t *testing.T) {
	t.Parallel()
	w := open(t)
	for i, recipient := range []string{
		"ada@example.test\r\nBcc: eve@example.test", "ada@example.test, eve@example.test", "Ada <ada@example.test>", "ada", "ada@example.test\r\nRCPT TO:<eve@example.test>",
	} {
		m := verification(fmt.Sprintf("member/%d", i))
		m.Recipient = recipient
		id := w.enqueued(m)
		require.NoError(t, w.send(id))
		require.Equal(t, "FAILED", w.state(id).Status, "%q", recipient)
	}
	require.Empty(t, w.server.Mails())
}

func TestWhatCannotBeWrittenIsRefusedAtOnceWithoutShowingTheLink(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, m := range []outbox.Message{
		{Recipient: ada, Cause: "it/1", Content: outbox.MemberExists{Link: "javascript:alert('8Qm2hTzP5rXw')"}},
		{Recipient: ada, Cause: "it/1", Content: outbox.MemberExists{Link: "/verify?token=8Qm2hTzP5rXw"}},
		{Recipient: ada, Cause: "it/1", Content: outbox.MemberExists{Link: "https://portal.example.com/%zz8Qm2hTzP5rXw"}},
		{Recipient: ada, Cause: "it/1", Content: outbox.MemberExists{}},
		{Recipient: ada, Cause: "it/1"},
		{Recipient: ada, Content: outbox.MemberExists{Link: token}},
		{Cause: "it/1", Content: outbox.MemberExists{Link: token}},
	} {
		err := w.enqueueIn(w.DB.System(), m)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "8Qm2hTzP5rXw")
	}
	require.Empty(t, w.jobs())
}
