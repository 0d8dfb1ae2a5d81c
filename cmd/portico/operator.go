package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"portico/internal/account"
)

type operatorCommand struct {
	Create        operatorCreate        `cmd:"" help:"Make an operator. Reads the password from the terminal or from standard input; prints the TOTP secret once."`
	List          operatorList          `cmd:"" help:"List the operators."`
	Disable       operatorDisable       `cmd:"" help:"Sign an operator out and let nobody sign in as that operator."`
	Enable        operatorEnable        `cmd:"" help:"Take operator disable back."`
	ResetTOTP     operatorResetTOTP     `cmd:"" name:"reset-totp" help:"Give an operator another TOTP secret, printed once. Signs the operator out."`
	ResetPassword operatorResetPassword `cmd:"" help:"Give an operator another password, read as for create. Signs the operator out."`
}

type operatorEmail struct {
	Email string `required:"" help:"The operator's e-mail address."`
}

type (
	operatorCreate        struct{ operatorEmail }
	operatorList          struct{}
	operatorDisable       struct{ operatorEmail }
	operatorEnable        struct{ operatorEmail }
	operatorResetTOTP     struct{ operatorEmail }
	operatorResetPassword struct{ operatorEmail }
)

// Run makes an operator.
func (o *operatorCreate) Run(ctx context.Context) error {
	password, err := readPassword(os.Stdin, os.Stderr)
	if err != nil {
		return err
	}
	return act(ctx, "operatorCreate", []string{"email", "password"}, func(a *app) (string, error) {
		operator, made, err := a.accounts.OperatorCreate(ctx, o.Email, password)
		if err != nil {
			return "", err
		}
		fmt.Printf("Operator %s is made.\n", operator.Email)
		printTOTP(made)
		return operatorObject(operator), nil
	})
}

// Run lists the operators.
func (*operatorList) Run(ctx context.Context) error {
	return withApp(ctx, func(a *app) error {
		operators, err := a.accounts.Operators(ctx)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "ID\tEMAIL\tSTATE\tSINCE")
		for _, one := range operators {
			state, since := "enabled", one.CreatedAt
			if one.DisabledAt != nil {
				state, since = "disabled", *one.DisabledAt
			}
			_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", one.ID, one.Email, state, since.Format(time.RFC3339))
		}
		return table.Flush()
	})
}

// Run lets an operator in no more.
func (o *operatorDisable) Run(ctx context.Context) error {
	return act(ctx, "operatorDisable", []string{"email"}, func(a *app) (string, error) {
		operator, err := a.accounts.OperatorDisable(ctx, o.Email)
		return operatorObject(operator), err
	})
}

// Run lets an operator in again.
func (o *operatorEnable) Run(ctx context.Context) error {
	return act(ctx, "operatorEnable", []string{"email"}, func(a *app) (string, error) {
		operator, err := a.accounts.OperatorEnable(ctx, o.Email)
		return operatorObject(operator), err
	})
}

// Run gives an operator another TOTP secret.
func (o *operatorResetTOTP) Run(ctx context.Context) error {
	return act(ctx, "operatorResetTotp", []string{"email"}, func(a *app) (string, error) {
		operator, made, err := a.accounts.OperatorResetTOTP(ctx, o.Email)
		if err == nil {
			printTOTP(made)
		}
		return operatorObject(operator), err
	})
}

// Run gives an operator another password.
func (o *operatorResetPassword) Run(ctx context.Context) error {
	password, err := readPassword(os.Stdin, os.Stderr)
	if err != nil {
		return err
	}
	return act(ctx, "operatorResetPassword", []string{"email", "password"}, func(a *app) (string, error) {
		operator, err := a.accounts.OperatorResetPassword(ctx, o.Email, password)
		return operatorObject(operator), err
	})
}

func printTOTP(made account.TOTPSecret) {
	fmt.Printf("Give this to an authenticator app now. It is not shown again, and signing in takes its codes:\n\n  %s\n\n", string(made.URI))
}

// readPassword asks for a password where somebody can type it, and otherwise takes the first line.
func readPassword(in *os.File, prompt io.Writer) (string, error) {
	if !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && (!errors.Is(err, io.EOF) || line == "") {
			return "", errors.New("give the password as the first line of standard input")
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	ask := func(what string) (string, error) {
		_, _ = fmt.Fprint(prompt, what)
		typed, err := term.ReadPassword(int(in.Fd()))
		_, _ = fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(typed), nil
	}
	password, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask("Again: ")
	if err == nil && again != password {
		err = errors.New("the passwords differ")
	}
	return password, err
}
