package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/proctest"
	"portico/internal/secret"
)

// shell runs a command to its end with what is typed into it.
func shell(t *testing.T, env []string, typed string, args ...string) (output string, err error) {
	t.Helper()
	path, err := proctest.Binary()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), path, args...)
	command.Env = append(os.Environ(), env...)
	command.Stdin = strings.NewReader(typed)
	answer, err := command.CombinedOutput()
	return string(answer), err
}

var otpauth = regexp.MustCompile(`otpauth://\S+`)

func TestOperatorsAreMadeFromTheShell(t *testing.T) {
	t.Parallel()
	env := []string{
		"DATABASE_URL=" + dbtest.Empty(t),
		"PORTICO_KEYS=1:" + string(secret.NewKey()), "PORTICO_PEPPER=" + string(secret.NewKey()),
		fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", proctest.FreePort(t)),
	}
	proctest.Portico(t, env, "migrate").Wait()
	must := func(typed string, args ...string) string {
		t.Helper()
		output, err := shell(t, env, typed, append([]string{"operator"}, args...)...)
		require.NoError(t, err, output)
		return output
	}
	refused := func(typed string, args ...string) string {
		t.Helper()
		output, err := shell(t, env, typed, append([]string{"operator"}, args...)...)
		require.Error(t, err, output)
		return output
	}
	const email, password = "root@portico.test", "correct horse battery"
	made := must(password+"\n", "create", "--email", email)
	require.NotContains(t, made, password)
	require.Contains(t, refused("short\n", "create", "--email", "b@portico.test"), "password")
	require.Contains(t, refused("", "create", "--email", "b@portico.test"), "first line of standard input")
	require.Contains(t, refused(password, "create", "--email", "ROOT@portico.test"), "belongs to an operator")

	v := newVault(t, env...)
	server := v.portico("serve")
	url := "http://" + strings.TrimPrefix(env[3], "PORTICO_ADDR=") + "/graphql"
	server.Line("serving")
	nobody := proctest.API{T: t, URL: url, Watch: v}
	signIn := func(output, password string) proctest.Object {
		t.Helper()
		key, err := otp.NewKeyFromURL(otpauth.FindString(output))
		require.NoError(t, err, output)
		v.keep("TOTP secret", key.Secret())
		code, err := totp.GenerateCode(key.Secret(), time.Now())
		require.NoError(t, err)
		return nobody.Post(`mutation($password: String!, $code: String!) {
			operatorSignIn(input: {email: "root@portico.test", password: $password, totpCode: $code}) { sessionToken userErrors { code } } }`,
			proctest.Object{"password": password, "code": code})
	}
	token := signIn(made, password).Text("data.operatorSignIn.sessionToken")
	operator := nobody.With("Authorization", "Bearer "+token)
	require.Equal(t, email, operator.Do(`{ viewer { operator { email } } }`, nil).Text("viewer.operator.email"))

	const next = "battery staple horse"
	again := must("", "reset-totp", "--email", email)
	require.NotNil(t, operator.Post(`{ viewer { kind } }`, nil)["errors"], "signed out")
	must(next+"\n", "reset-password", "--email", email)
	require.Empty(t, signIn(again, password).Text("data.operatorSignIn.sessionToken"))
	require.NotEmpty(t, signIn(again, next).Text("data.operatorSignIn.sessionToken"))

	again = must("", "reset-totp", "--email", email)
	must("", "disable", "--email", email)
	require.Regexp(t, `1 +root@portico.test +disabled `, must("", "list"))
	require.Empty(t, signIn(again, next).Text("data.operatorSignIn.sessionToken"))
	must("", "enable", "--email", email)
	require.Regexp(t, `1 +root@portico.test +enabled `, must("", "list"))
	require.NotEmpty(t, signIn(again, next).Text("data.operatorSignIn.sessionToken"))
	require.Contains(t, refused("", "disable", "--email", "nobody@portico.test"), "no such operator")

	// Whatever was done is in the operators' log, with the operating system's user.
	whoami, err := user.Current()
	require.NoError(t, err)
	for _, args := range [][]string{{"rotate"}, {"signing", "roll", "--now"}} {
		output, err := shell(t, env, "", append([]string{"key"}, args...)...)
		require.NoError(t, err, output)
	}
	again = must("", "reset-totp", "--email", email)
	operator = nobody.With("Authorization", "Bearer "+signIn(again, next).Text("data.operatorSignIn.sessionToken"))
	log := operator.Do(`{ operatorAuditLog(first: 100) { nodes { actor { kind id label } action fields object outcome code requestId } } }`, nil)
	var done []string
	for _, entry := range log.At("operatorAuditLog.nodes").([]any) {
		entry := proctest.Object(entry.(map[string]any))
		require.Equal(t, "SHELL "+whoami.Username, entry.Text("actor.kind")+" "+entry.Text("actor.label"))
		require.Nil(t, entry.At("actor.id"))
		done = append(done, fmt.Sprint(entry["action"], " ", entry["object"], " ", entry["outcome"], " ", entry["code"]))
	}
	const on = " gid://portico/Operator/1 DONE <nil>"
	require.Equal(t, []string{
		"operatorResetTotp" + on, "signingKeysRoll <nil> DONE <nil>", "keyRotate <nil> DONE <nil>", "operatorDisable <nil> REFUSED NOT_FOUND",
		"operatorEnable" + on, "operatorDisable" + on, "operatorResetTotp" + on, "operatorResetPassword" + on, "operatorResetTotp" + on,
		"operatorCreate <nil> REFUSED TAKEN", "operatorCreate <nil> REFUSED INVALID", "operatorCreate" + on,
	}, done)
	v.requireNone(v.written())
}
