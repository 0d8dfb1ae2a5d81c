// Command lean owns what is changed of gqlgen's generated code, so that an answer costs less: lists without a goroutine for each element,
// plain fields without a context, objects without deferred fields.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lean:", err)
		os.Exit(1)
	}
}

func run(files []string) error {
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rewritten, _, err := rewrite(source)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, rewritten, 0o600); err != nil {
			return err
		}
	}
	return nil
}
