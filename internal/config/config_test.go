package config

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"
	"github.com/stretchr/testify/require"
)

var key = base64.StdEncoding.EncodeToString(make([]byte, 32))

// from reads settings as Load reads the environment.
func from(variables ...string) (Config, error) {
	environment := map[string]string{"UNRELATED": "1"}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	return parse(env.Options{Environment: environment})
}

func TestDefaultsAreSafeForAFirstStart(t *testing.T) {
	t.Parallel()
	for _, variables := range [][]string{nil, {"PORTICO_ADDR=", "PORTICO_LOG_LEVEL=", "PORTICO_WEBHOOK_ALLOW_CIDRS=", "PORTICO_DB_MAX_CONNS="}} {
		c, err := from(variables...)
		require.NoError(t, err)
		require.Equal(t, Config{
			Addr: "127.0.0.1:8080", PublicURL: "http://127.0.0.1:8080", PortalFeeBPS: 250, DBMaxConns: 10, AuditRetentionDays: 400, EventRetentionDays: 90, AttemptRetentionDays: 30, LogLevel: slog.LevelInfo,
			Introspection: "authenticated", RateLimit: Rate{20_000, 2_000}, RateLimitPeople: Rate{5_000, 200}, RateLimitAnonymous: Rate{1_000, 50},
		}, c)
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	t.Parallel()
	c, err := from(
		"DATABASE_URL=postgres://portico:pass@db/portico", "PORTICO_ADDR=:9000", "PORTICO_PUBLIC_URL=https://portal.example.com/",
		"PORTICO_KEYS=1:"+key, "PORTICO_PEPPER="+key, "PORTICO_PORTAL_FEE_BPS=0", "PORTICO_LIVE_GATEWAY=test",
		"PORTICO_WEBHOOK_ALLOW_CIDRS=10.1.2.3/16, fd00::/8", "PORTICO_WEBHOOK_ALLOW_HTTP=true", "PORTICO_WEBHOOK_ALLOW_LOOPBACK=1",
		"PORTICO_TRUSTED_PROXIES=10.1.2.3/16", "PORTICO_AUDIT_RETENTION_DAYS=30", "PORTICO_EVENT_RETENTION_DAYS=20", "PORTICO_ATTEMPT_RETENTION_DAYS=20", "PORTICO_LOG_LEVEL=debug", "PORTICO_DB_MAX_CONNS=25", "PORTICO_TEST_GATEWAY_LOSS=0.2",
		"PORTICO_SMTP_URL=smtps://portico:pass@mail.example.com", "PORTICO_MAIL_FROM=Portico <portico@example.com>",
		"PORTICO_TRUSTED_PROXIES=10.1.2.3/16", "PORTICO_INTROSPECTION=off", "PORTICO_RATE_LIMIT=off", "PORTICO_RATE_LIMIT_PEOPLE=1000:1", "PORTICO_RATE_LIMIT_ANONYMOUS= 2000 : 30 ",
	)
	require.NoError(t, err)
	require.Equal(t, Config{
		DatabaseURL: "postgres://portico:pass@db/portico", DBMaxConns: 25, Addr: ":9000", PublicURL: "https://portal.example.com",
		Keys: "1:" + c.Keys[2:], Pepper: c.Pepper, PortalFeeBPS: 0, LiveGateway: "test",
		WebhookAllowCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")},
		WebhookAllowHTTP:  true, WebhookAllowLoopback: true, LogLevel: slog.LevelDebug, TestGatewayLoss: 0.2,
		TrustedProxies:     []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		Introspection:      "off",
		AuditRetentionDays: 30, EventRetentionDays: 20, AttemptRetentionDays: 20,
		RateLimitPeople: Rate{1_000, 1}, RateLimitAnonymous: Rate{2_000, 30},
		SMTPURL: "smtps://portico:pass@mail.example.com", MailFrom: "Portico <portico@example.com>",
	}, c)
	require.Equal(t, "1:"+key, string(c.Keys))
	require.Equal(t, key, string(c.Pepper))
	require.NoError(t, c.RequireDatabase())
}

func TestAWrongValueIsRefusedInASentenceThatNamesTheVariable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ variable, says string }{
		{"DATABASE_URL=localhost:5432", "DATABASE_URL must be an address such as postgres://"},
		{"DATABASE_URL=mysql://localhost/portico", "DATABASE_URL must be an address such as postgres://"},
		{"DATABASE_URL=postgres://portico:hunter2%@db/portico", "DATABASE_URL must be an address such as postgres://"},
		{"PORTICO_ADDR=8080", `PORTICO_ADDR must be an address to listen on, such as 127.0.0.1:8080 or :8080, and is "8080"`},
		{"PORTICO_ADDR=localhost:http", "PORTICO_ADDR must be an address to listen on"},
		{"PORTICO_ADDR=localhost:70000", "PORTICO_ADDR must be an address to listen on"},
		{"PORTICO_ADDR=0.0.0.0:8080", "PORTICO_PUBLIC_URL is not set"},
		{"PORTICO_ADDR=:8080", "PORTICO_PUBLIC_URL is not set"},
		{"PORTICO_PUBLIC_URL=portal.example.com", "PORTICO_PUBLIC_URL must be an http or https address"},
		{"PORTICO_PUBLIC_URL=ftp://portal.example.com", "PORTICO_PUBLIC_URL must be an http or https address"},
		{"PORTICO_PUBLIC_URL=https://", "PORTICO_PUBLIC_URL must be an http or https address"},
		{"PORTICO_PUBLIC_URL=https://portal.example.com/app", "PORTICO_PUBLIC_URL must be an http or https address without a path"},
		{"PORTICO_PUBLIC_URL=https://portal.example.com?a=1", "PORTICO_PUBLIC_URL must be an http or https address without a path"},
		{"PORTICO_PUBLIC_URL=https://me@portal.example.com", "PORTICO_PUBLIC_URL must be an http or https address"},
		{"PORTICO_KEYS=1:" + key, "PORTICO_PEPPER is not set"},
		{"PORTICO_PEPPER=" + key, "PORTICO_KEYS is not set"},
		{"PORTICO_KEYS=hunter2", "PORTICO_KEYS, entry 1: want"},
		{"PORTICO_PORTAL_FEE_BPS=-1", "PORTICO_PORTAL_FEE_BPS must be between 0 and 10000, and is -1"},
		{"PORTICO_PORTAL_FEE_BPS=10001", "PORTICO_PORTAL_FEE_BPS must be between 0 and 10000, and is 10001"},
		{"PORTICO_PORTAL_FEE_BPS=2.5", "PORTICO_PORTAL_FEE_BPS cannot be read"},
		{"PORTICO_LIVE_GATEWAY=stripe", `PORTICO_LIVE_GATEWAY must be "test" or empty, and is "stripe"`},
		{"PORTICO_TEST_GATEWAY_LOSS=1.5", "PORTICO_TEST_GATEWAY_LOSS must be between 0 and 1, and is 1.5"},
		{"PORTICO_TEST_GATEWAY_LOSS=-0.1", "PORTICO_TEST_GATEWAY_LOSS must be between 0 and 1, and is -0.1"},
		{"PORTICO_TEST_GATEWAY_LOSS=NaN", "PORTICO_TEST_GATEWAY_LOSS must be between 0 and 1, and is NaN"},
		{"PORTICO_TEST_GATEWAY_LOSS=some", "PORTICO_TEST_GATEWAY_LOSS cannot be read"},
		{"PORTICO_SMTP_URL=mail.example.com:587", "PORTICO_SMTP_URL must be an address such as smtp://"},
		{"PORTICO_SMTP_URL=https://mail.example.com", "PORTICO_SMTP_URL must be an address such as smtp://"},
		{"PORTICO_SMTP_URL=smtp://:587", "PORTICO_SMTP_URL must be an address such as smtp://"},
		{"PORTICO_SMTP_URL=smtp://portico:hunter2%@mail.example.com", "PORTICO_SMTP_URL must be an address such as smtp://"},
		{"PORTICO_SMTP_URL=smtp://mail.example.com/box", "PORTICO_SMTP_URL must be an address such as smtp://"},
		{"PORTICO_SMTP_URL=smtp://portico@mail.example.com", "PORTICO_SMTP_URL names a user or a password: give both"},
		{"PORTICO_SMTP_URL=smtp://:hunter2@mail.example.com", "PORTICO_SMTP_URL names a user or a password: give both"},
		{"PORTICO_SMTP_URL=smtp://portico:hunter2@mail.example.com", "PORTICO_MAIL_FROM is not set"},
		{"PORTICO_MAIL_FROM=portico", `PORTICO_MAIL_FROM must be a sender such as Portico <portico@example.com>, and is "portico"`},
		{"PORTICO_WEBHOOK_ALLOW_CIDRS=10.0.0.0/8,10.0.0.1", `PORTICO_WEBHOOK_ALLOW_CIDRS cannot be read: "10.0.0.1" is not a network`},
		{"PORTICO_WEBHOOK_ALLOW_HTTP=maybe", "PORTICO_WEBHOOK_ALLOW_HTTP cannot be read"},
		{"PORTICO_WEBHOOK_ALLOW_LOOPBACK=2", "PORTICO_WEBHOOK_ALLOW_LOOPBACK cannot be read"},
		{"PORTICO_LOG_LEVEL=loud", "PORTICO_LOG_LEVEL cannot be read"},
		{"PORTICO_TRUSTED_PROXIES=10.0.0.1", `PORTICO_TRUSTED_PROXIES cannot be read: "10.0.0.1" is not a network`},
		{"PORTICO_EVENT_RETENTION_DAYS=1", "PORTICO_EVENT_RETENTION_DAYS must be between 2 and 36500, and is 1"},
		{"PORTICO_ATTEMPT_RETENTION_DAYS=91", "PORTICO_ATTEMPT_RETENTION_DAYS must be between 2 and 90, and is 91"},
		{"PORTICO_AUDIT_RETENTION_DAYS=0", "PORTICO_AUDIT_RETENTION_DAYS must be between 1 and 36500, and is 0"},
		{"PORTICO_INTROSPECTION=nobody", `PORTICO_INTROSPECTION must be all, authenticated or off, and is "nobody"`},
		{"PORTICO_RATE_LIMIT=2000", `PORTICO_RATE_LIMIT cannot be read: "2000" is neither off nor two numbers such as 20000:2000`},
		{"PORTICO_RATE_LIMIT=0:0", "PORTICO_RATE_LIMIT cannot be read"},
		{"PORTICO_RATE_LIMIT_PEOPLE=999:200", "PORTICO_RATE_LIMIT_PEOPLE must have 1000 to 1000000000 points at once"},
		{"PORTICO_RATE_LIMIT_ANONYMOUS=1000:0", "1 to 1000000 more each second, and is 1000:0"},
		{"PORTICO_DB_MAX_CONNS=0", "PORTICO_DB_MAX_CONNS must be between 1 and 1000, and is 0"},
		{"PORTICO_DB_MAX_CONNS=many", "PORTICO_DB_MAX_CONNS cannot be read"},
	} {
		t.Run(c.variable, func(t *testing.T) {
			t.Parallel()
			_, err := from(c.variable)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), key)
		})
	}
}

func TestAllWrongVariablesAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := from("PORTICO_ADDR=8080", "PORTICO_LIVE_GATEWAY=stripe", "PORTICO_DB_MAX_CONNS=0")
	for _, name := range []string{"PORTICO_ADDR", "PORTICO_LIVE_GATEWAY", "PORTICO_DB_MAX_CONNS"} {
		require.ErrorContains(t, err, name)
	}
	_, err = from("PORTICO_LOG_LEVEL=loud", "PORTICO_DB_MAX_CONNS=many")
	require.ErrorContains(t, err, "PORTICO_LOG_LEVEL")
	require.ErrorContains(t, err, "PORTICO_DB_MAX_CONNS")
}

func TestAPublicAddressIsMadeFromALoopbackOneOnly(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"localhost:9000": "http://localhost:9000", "127.0.0.2:80": "http://127.0.0.2:80", "[::1]:8080": "http://[::1]:8080",
	} {
		c, err := from("PORTICO_ADDR=" + addr)
		require.NoError(t, err)
		require.Equal(t, want, c.PublicURL)
	}
}

func TestACommandThatNeedsTheDatabaseSaysSo(t *testing.T) {
	t.Parallel()
	c, err := from()
	require.NoError(t, err)
	require.ErrorContains(t, c.RequireDatabase(), "DATABASE_URL is not set")
}

func TestSecretsOfAConfigurationDoNotPrint(t *testing.T) {
	t.Parallel()
	c, err := from("DATABASE_URL=postgres://portico:hunter2@db/portico", "PORTICO_KEYS=1:"+key, "PORTICO_PEPPER="+key,
		"PORTICO_SMTP_URL=smtp://portico:hunter2@mail.example.com", "PORTICO_MAIL_FROM=portico@example.com")
	require.NoError(t, err)
	for _, printed := range []string{fmt.Sprintf("%v", c), fmt.Sprintf("%+v", &c), fmt.Sprintf("%#v", c)} {
		require.NotContains(t, printed, "hunter2")
		require.NotContains(t, printed, key)
	}
}

func TestLoadReadsTheEnvironment(t *testing.T) {
	t.Setenv("PORTICO_ADDR", "localhost:9999")
	t.Setenv("PORTICO_PUBLIC_URL", "https://portal.example.com")
	c, err := Load()
	require.NoError(t, err)
	require.Equal(t, "localhost:9999", c.Addr)
	require.Equal(t, "https://portal.example.com", c.PublicURL)
}

func TestEveryVariableIsDescribed(t *testing.T) {
	t.Parallel()
	variables := Variables()
	require.Len(t, variables, 24)
	for i, v := range variables {
		require.NotEmpty(t, v.Name)
		require.True(t, strings.HasSuffix(v.Description, "."), "%s is described in sentences", v.Name)
		if i > 0 {
			require.Less(t, variables[i-1].Name, v.Name)
		}
	}
	require.Contains(t, variables, Variable{
		"PORTICO_LOG_LEVEL", "info", "Least level that is logged: debug, info, warn or error. What River says about itself below a warning is logged with debug only.",
	})
}
