package graph

import (
	"strconv"
	"strings"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
)

const gidPrefix = "gid://portico/"

// gid is the global id of an object.
func gid(typename string, id int64) string {
	return gidPrefix + typename + "/" + strconv.FormatInt(id, 10)
}

// parseGID reads a global id.
func parseGID(text string) (typename string, id int64, ok bool) {
	path, found := strings.CutPrefix(text, gidPrefix)
	typename, digits, slash := strings.Cut(path, "/")
	id, ok = rowNumber(digits)
	return typename, id, ok && found && slash
}

func rowNumber(digits string) (int64, bool) {
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == digits
}

// rowID reads the id of an object of one type: its global id, or the number alone.
func rowID(field, typename, text string) (int64, error) {
	if id, ok := rowNumber(text); ok {
		return id, nil
	}
	named, id, ok := parseGID(text)
	switch {
	case !ok:
		return 0, fault.Invalid(field, "is not an id: use one such as %s", gid(typename, exampleID))
	case named != typename:
		return 0, fault.Invalid(field, "is the id of another type: use one such as %s", gid(typename, exampleID))
	}
	return id, nil
}

const exampleID = 12345

// optional is rowID for an id that may be left out.
func optional(field, typename string, text *string) (*int64, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // what is left out has no id
	}
	id, err := rowID(field, typename, *text)
	return &id, err
}

// The domain sees to it that exactly one of a reference's fields is given.

func customerRef(field string, in CustomerRef) (account.CustomerRef, error) {
	id, err := optional(field+".id", "Customer", in.ID)
	return account.CustomerRef{ID: id, Number: in.Number, Email: in.Email}, err
}

func productRef(field string, in ProductRef) (catalog.ProductRef, error) {
	id, err := optional(field+".id", "Product", in.ID)
	return catalog.ProductRef{ID: id, Identifier: in.Identifier}, err
}
