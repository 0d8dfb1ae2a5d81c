package graph

import (
	"context"
	"reflect"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/fault"
)

// tokenKind tells which mutations do nothing but mint a token: whatever else is written is of no use without it. Each of their resolvers
// says for whom, with mintedFor.
func tokenKind(mutation string) (kind audit.TokenKind, mints bool) {
	switch mutation {
	case "launchTokenCreate":
		return audit.LaunchToken, true
	case "accessTokenCreate":
		return audit.AccessToken, true
	case "portalTokenCreate":
		return audit.PortalToken, true
	}
	return "", false
}

// tokenBeside tells which mutations make a token after something else: they have an entry of their own, and their token is counted.
func tokenBeside(mutation string) (kind audit.TokenKind, mints bool) {
	return audit.PortalToken, mutation == "portalUrlCreate" || mutation == "portalUrlSend"
}

// minting is for the resolver of a mutation that mints a token.
type minting struct{ customerID int64 }

type mintingKey struct{}

// mintedFor tells the audit log whose token was minted.
func mintedFor(ctx context.Context, customerID int64) {
	ctx.Value(mintingKey{}).(*minting).customerID = customerID
}

// perform performs a mutation, or refuses it, with its entry in the audit log. The demands of nobody in particular that are refused
// leave none: anybody could fill the log with them.
func perform(ctx context.Context, refused error, next graphql.Resolver) (any, error) {
	caller, log := callerOf(ctx), exchangeOf(ctx).handler.resolver.Audit
	if refused != nil && caller.Kind == account.KindAnonymous {
		return nil, refused
	}
	field := graphql.GetFieldContext(ctx).Field.Field
	act := actOf(ctx, field)
	if refused != nil {
		if err := log.Refuse(ctx, caller, act, refused); err != nil {
			return nil, err
		}
		return nil, refused
	}
	var payload any
	kind, mints := tokenKind(field.Name)
	if mints {
		minted := &minting{}
		err := log.Mint(ctx, caller, act, kind, func() (result audit.Result, err error) {
			payload, err = next(context.WithValue(ctx, mintingKey{}, minted))
			result = resultOf(payload)
			if result.CustomerID = minted.customerID; result.CustomerID != 0 {
				result.Object = gid("Customer", result.CustomerID)
			}
			return result, err
		})
		if err != nil {
			return nil, err // the token in the payload among them
		}
		return payload, nil
	}
	if kind, mints := tokenBeside(field.Name); mints {
		minted := &minting{}
		err := log.RecordToken(ctx, caller, act, kind, func() (result audit.Result, err error) {
			payload, err = next(context.WithValue(ctx, mintingKey{}, minted))
			result = resultOf(payload)
			result.CustomerID = minted.customerID
			return result, err
		})
		if err != nil {
			return nil, err
		}
		return payload, nil
	}
	// The entry's statement is the first, so that it confirms the key of the request before a sign-in uses a code up.
	err := log.Record(ctx, caller, act, func() (result audit.Result, err error) {
		payload, err = next(ctx)
		return resultOf(payload), err
	})
	return payload, err
}

// actOf is what a mutation sets out to do.
func actOf(ctx context.Context, field *ast.Field) audit.Act {
	x := exchangeOf(ctx)
	act := audit.Act{Action: field.Name, RequestID: x.id, Origin: x.origin}
	variables := graphql.GetOperationContext(ctx).Variables
	for _, argument := range field.Arguments {
		given, isObject := valueOf(argument.Value, variables).(map[string]any)
		if !isObject {
			continue
		}
		for name := range given {
			act.Fields = append(act.Fields, name)
		}
		input := x.handler.schema.Schema().Types[field.Definition.Arguments.ForName(argument.Name).Type.Name()]
		act.Object = x.handler.objectIn(input, given)
	}
	slices.Sort(act.Fields)
	return act
}

func valueOf(value *ast.Value, variables map[string]any) any {
	given, err := value.Value(variables)
	if err != nil {
		return nil // the executor has read it without an error before
	}
	return given
}

// objectIn is what an input is about: the object of the first of its fields that must be given and is a global id or a reference by
// one.
func (h *handler) objectIn(input *ast.Definition, given map[string]any) string {
	for _, field := range input.Fields {
		if !field.Type.NonNull {
			continue
		}
		value := given[field.Name]
		if reference, isReference := value.(map[string]any); isReference && h.schema.Schema().Types[field.Type.Name()].Directives.ForName("oneOf") != nil {
			value = reference["id"]
		} else if field.Type.Name() != "ID" {
			continue
		}
		id, _ := value.(string)
		typename, row, ok := parseGID(id)
		if definition := h.schema.Schema().Types[typename]; ok && definition != nil && definition.Kind == ast.Object {
			return gid(definition.Name, row)
		}
	}
	return ""
}

// resultOf is what a mutation came to, by its payload: its first object is what it was done to, and whose that is.
func resultOf(payload any) audit.Result {
	var result audit.Result
	shown := reflect.ValueOf(payload)
	if shown.Kind() != reflect.Pointer || shown.IsNil() {
		return result
	}
	shown = shown.Elem()
	for i := range shown.NumField() {
		switch value := shown.Field(i).Interface().(type) {
		case []*UserError:
			if len(value) > 0 {
				result.Refused = fault.Code(value[0].Code)
			}
		case []*Merchant:
			if len(value) > 0 && result.MerchantID == 0 {
				result.MerchantID = value[0].Merchant.ID
			}
		case *CustomerClaims:
			if value != nil {
				result.Object = gid("Customer", value.CustomerClaims.CustomerID)
			}
		case Node:
			if reflect.ValueOf(value).IsNil() {
				continue
			}
			if result.MerchantID == 0 {
				result.MerchantID = merchantOf(value)
			}
			if result.Object == "" {
				result.Object = value.ID()
			}
		}
	}
	return result
}

// merchantOf is whose an object is, 0 where it does not say.
func merchantOf(object Node) int64 {
	if merchant, is := object.(*Merchant); is {
		return merchant.Merchant.ID
	}
	if id := reflect.ValueOf(object).Elem().FieldByName("MerchantID"); id.IsValid() && id.CanInt() {
		return id.Int()
	}
	return 0
}
