package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// Counts of what was rewritten. One that is 0 means that gqlgen writes its code in another way than this program knows.
type counts struct{ Objects, Lists, Leaves, Fields int }

func (c counts) complete() bool { return c.Objects > 0 && c.Lists > 0 && c.Leaves > 0 && c.Fields > 0 }

// rewrite gives the generated code as it should be. See docs/decisions/0034-lean-answers.md for what changes and what stays.
func rewrite(source []byte) ([]byte, counts, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "generated.go", source, parser.ParseComments)
	if err != nil {
		return nil, counts{}, fmt.Errorf("parse the generated code: %w", err)
	}
	w := &writer{source: source, base: files.File(file.Pos()).Base(), functions: map[string]*ast.FuncDecl{}, done: map[string]bool{}}
	for _, declared := range file.Decls {
		if function, is := declared.(*ast.FuncDecl); is {
			w.functions[function.Name.Name] = function
		}
	}
	for _, declared := range file.Decls {
		switch declared := declared.(type) {
		case *ast.FuncDecl:
			w.function(declared)
		case *ast.GenDecl:
			w.declaration(declared)
		}
	}
	if !w.counts.complete() {
		return nil, w.counts, fmt.Errorf("the generated code is not as expected: rewrote %+v", w.counts)
	}
	for name, function := range w.functions {
		switch field, is := strings.CutPrefix(name, "fieldContext"); {
		case is && !w.done[field]:
			w.context(function)
		case is, strings.HasPrefix(name, "childFields_"):
			w.remove(function)
		}
	}
	rewritten, err := w.apply()
	if err != nil {
		return nil, w.counts, err
	}
	rewritten, err = withoutUnusedImports(rewritten)
	return rewritten, w.counts, err
}

// writer collects the changes to a source.
type writer struct {
	source    []byte
	base      int
	functions map[string]*ast.FuncDecl
	done      map[string]bool // the field functions that need no fieldContext any more
	edits     []edit
	counts    counts
}

type edit struct {
	from, to int
	text     string
}

func (w *writer) text(node ast.Node) string {
	return string(w.source[w.at(node.Pos()):w.at(node.End())])
}

func (w *writer) at(pos token.Pos) int { return int(pos) - w.base }

func (w *writer) replace(node ast.Node, format string, args ...any) {
	w.edits = append(w.edits, edit{w.at(node.Pos()), w.at(node.End()), fmt.Sprintf(format, args...)})
}

func (w *writer) remove(node ast.Node) { w.replace(node, "") }

func (w *writer) apply() ([]byte, error) {
	slices.SortFunc(w.edits, func(a, b edit) int { return a.from - b.from })
	var out bytes.Buffer
	last := 0
	for _, e := range w.edits {
		if e.from < last {
			return nil, errors.New("two changes to the same place of the generated code")
		}
		out.Write(w.source[last:e.from])
		out.WriteString(e.text)
		last = e.to
	}
	out.Write(w.source[last:])
	return out.Bytes(), nil
}

// declaration gives the execution context a place to remember outlines.
func (w *writer) declaration(declared *ast.GenDecl) {
	for _, spec := range declared.Specs {
		if named, is := spec.(*ast.TypeSpec); is && named.Name.Name == "executionContext" {
			if fields, is := named.Type.(*ast.StructType); is {
				w.edits = append(w.edits, edit{w.at(fields.Fields.Closing), w.at(fields.Fields.Closing), "\n\noutlines *outlines\n"})
			}
		}
	}
}

func (w *writer) function(function *ast.FuncDecl) {
	switch {
	case function.Recv == nil || function.Body == nil:
	case w.isObject(function):
		w.object(function)
	case strings.HasPrefix(function.Name.Name, "marshal"):
		w.list(function)
	case strings.HasPrefix(function.Name.Name, "_"):
		w.field(function)
	}
}

// isObject tells the functions that write an object from those of fields, interfaces and Live.
func (w *writer) isObject(function *ast.FuncDecl) bool {
	return function.Body != nil && strings.Contains(w.text(function.Body), "out := graphql.NewFieldSet(fields)\n")
}

// object takes what has to do with deferred fields out, and has the fields collected once for all objects of a place.
func (w *writer) object(function *ast.FuncDecl) {
	w.counts.Objects++
	ast.Inspect(function.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.AssignStmt:
			switch w.text(node.Lhs[0]) {
			case "fields":
				call := node.Rhs[0].(*ast.CallExpr)
				w.replace(node, "out := ec.newObject(%s, %s)", w.text(call.Args[1]), w.text(call.Args[2]))
				return false
			case "out", "deferredFieldSet", "deferLabelToView":
				w.remove(node)
				return false
			}
		case *ast.RangeStmt:
			w.replace(node.X, "out.fields")
		case *ast.IfStmt:
			if w.text(node.Cond) == "field.IsDeferred()" {
				w.remove(node)
				return false
			}
		case *ast.StarExpr:
			if w.text(node.X) == "graphql.FieldSet" {
				w.replace(node.X, "object")
			}
		case *ast.ExprStmt:
			if text := w.text(node); strings.HasPrefix(text, "atomic.AddInt32(&ec.Deferred,") || strings.HasPrefix(text, "ec.ProcessDeferredGroup(") {
				w.remove(node)
				return false
			}
		}
		return true
	})
}

// list makes the elements of a list in turn. Those of an interface stay as they are: they read for their own type each.
func (w *writer) list(function *ast.FuncDecl) {
	ast.Inspect(function.Body, func(node ast.Node) bool {
		call, is := node.(*ast.CallExpr)
		if !is || w.text(call.Fun) != "graphql.MarshalSliceConcurrently" {
			return true
		}
		element := call.Args[4].(*ast.FuncLit).Body.List
		made := element[len(element)-1].(*ast.ReturnStmt).Results[0].(*ast.CallExpr)
		if written := w.written(called(made)); written == nil || w.isObject(written) {
			w.counts.Lists++
			w.replace(call, "inTurn(%s, %s, func(ctx context.Context, i int) graphql.Marshaler {\nreturn %s\n})",
				w.text(call.Args[0]), w.text(call.Args[1]), w.text(made))
		}
		return false
	})
}

// context takes Child from the context of a field: nothing here looks ahead in that way.
func (w *writer) context(function *ast.FuncDecl) {
	ast.Inspect(function.Body, func(node ast.Node) bool {
		pair, is := node.(*ast.KeyValueExpr)
		if is && w.text(pair.Key) == "Child" {
			end := w.at(pair.End())
			w.edits = append(w.edits, edit{w.at(pair.Pos()), end + bytes.IndexByte(w.source[end:], ',') + 1, ""})
			return false
		}
		return true
	})
}

// The arguments of graphql.ResolveField.
const (
	argumentResolve = 4
	argumentChain   = 5
	argumentMarshal = 6
	argumentCount   = 9
)

// field writes plain fields and resolvers without arguments and directives as the few statements that they come to.
func (w *writer) field(function *ast.FuncDecl) {
	resolve, marshal, plain := w.resolution(function)
	if !plain {
		return
	}
	name := function.Name.Name
	typename, _, _ := strings.Cut(strings.TrimPrefix(name, "_"), "_")
	if strings.HasPrefix(name, "___") { // a type of the introspection, such as __Type
		typename, _, _ = strings.Cut(strings.TrimPrefix(name, "___"), "_")
		typename = "__" + typename
	}
	writes, value := called(marshal), w.text(resolve.Results[0])
	open := w.at(function.Body.Lbrace)
	var body string
	switch {
	case len(resolve.Results) == 1: // a call that may fail
		w.counts.Fields++
		body = fmt.Sprintf(`{
			ctx = within(ctx, %q, field)
			defer ec.rescue(ctx, &ret)
			v, err := %s
			if err != nil {
				return ec.refused(ctx, err)
			}
			return ec.%s(ctx, field.Selections, v)
		}`, typename, value, writes)
	case w.written(writes) != nil || w.complains(writes):
		w.counts.Fields++
		body = fmt.Sprintf(`{
			ctx = within(ctx, %q, field)
			defer ec.rescue(ctx, &ret)
			return ec.%s(ctx, field.Selections, %s)
		}`, typename, writes, value)
	default:
		w.counts.Leaves++
		body = fmt.Sprintf(`{
			defer ec.rescueLeaf(ctx, %q, &field, &ret)
			return ec.%s(ctx, field.Selections, %s)
		}`, typename, writes, value)
	}
	w.done[name] = true
	w.edits = append(w.edits, edit{open, w.at(function.Body.End()), body})
}

// resolution gives what a field's value comes from and what writes it, if there is nothing else to it.
func (w *writer) resolution(function *ast.FuncDecl) (resolve *ast.ReturnStmt, marshal *ast.CallExpr, plain bool) {
	returned, is := function.Body.List[0].(*ast.ReturnStmt)
	if !is {
		return nil, nil, false
	}
	call, is := returned.Results[0].(*ast.CallExpr)
	if !is || w.text(call.Fun) != "graphql.ResolveField" || len(call.Args) != argumentCount || w.text(call.Args[argumentChain]) != "nil" {
		return nil, nil, false
	}
	resolver := call.Args[argumentResolve].(*ast.FuncLit).Body.List
	resolve, is = resolver[0].(*ast.ReturnStmt)
	// Of an interface nil is an error of its own.
	marshaler := call.Args[argumentMarshal].(*ast.FuncLit)
	of := marshaler.Type.Params.List[2].Type
	if _, named := of.(*ast.Ident); !is || (named && w.isInterface(w.text(of))) {
		return nil, nil, false
	}
	return resolve, marshaler.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.CallExpr), true
}

// called is the method of the execution context that is called.
func called(call *ast.CallExpr) string { return call.Fun.(*ast.SelectorExpr).Sel.Name }

// written finds the function that writes the object or interface that a method ends in; nil for scalars, enums and lists of them.
func (w *writer) written(name string) (found *ast.FuncDecl) {
	function := w.functions[name]
	if function == nil || strings.HasPrefix(name, "_") {
		return function
	}
	w.calls(function, func(inner string) {
		if found == nil {
			found = w.written(inner)
		}
	})
	return found
}

// complains tells whether a function may report an error of the value: that it is nil and must not be, or cannot be written.
func (w *writer) complains(name string) bool {
	function := w.functions[name]
	if function == nil {
		return false
	}
	complains := strings.Contains(w.text(function.Body), "graphql.WrapContextMarshaler(")
	ast.Inspect(function.Body, func(node ast.Node) bool {
		if check, is := node.(*ast.IfStmt); is && w.text(check.Cond) == "v == nil" && strings.Contains(w.text(check.Body), "AddErrorf") {
			complains = true
		}
		return !complains
	})
	w.calls(function, func(inner string) { complains = complains || w.complains(inner) })
	return complains
}

// calls names the methods of the execution context that a function calls.
func (w *writer) calls(function *ast.FuncDecl, each func(name string)) {
	ast.Inspect(function.Body, func(node ast.Node) bool {
		if call, is := node.(*ast.CallExpr); is {
			if method, is := call.Fun.(*ast.SelectorExpr); is && w.text(method.X) == "ec" {
				each(method.Sel.Name)
			}
		}
		return true
	})
}

// isInterface tells whether there is a function that writes the type by looking at which one it is.
func (w *writer) isInterface(name string) bool {
	function := w.functions["_"+name]
	return function != nil && !w.isObject(function)
}

func withoutUnusedImports(source []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "generated.go", source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("parse the rewritten code: %w", err)
	}
	used := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, is := node.(*ast.SelectorExpr); is {
			if name, is := selector.X.(*ast.Ident); is {
				used[name.Name] = true
			}
		}
		return true
	})
	w := &writer{source: source, base: files.File(file.Pos()).Base()}
	for _, imported := range file.Imports {
		path, err := strconv.Unquote(imported.Path.Value)
		if err != nil {
			return nil, err
		}
		// gqlgen names the imports whose path does not end in their name.
		name := path[strings.LastIndexByte(path, '/')+1:]
		if imported.Name != nil {
			name = imported.Name.Name
		}
		if !used[name] && name != "_" {
			line := w.at(imported.Pos()) + bytes.IndexByte(source[w.at(imported.Pos()):], '\n') + 1
			w.edits = append(w.edits, edit{w.at(imported.Pos()), line, ""})
		}
	}
	trimmed, err := w.apply()
	if err != nil {
		return nil, err
	}
	return format.Source(trimmed)
}
