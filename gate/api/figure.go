package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"endcap/prove/cleanroom"
	"endcap/prove/insight"
	"endcap/retail"
)

// How figures stand in the document. The values themselves are made by
// prove/cleanroom alone and written by their own MarshalJSON; these types only
// tell what comes out.
type (
	// Cleared is a figure about shoppers that the clean room lets out, or why
	// there is none.
	Cleared struct {
		Amount     string          `json:"amount,omitempty" doc:"of money and of estimates: decimal string"`
		Low        string          `json:"low,omitempty" doc:"of an estimate: the lower end of its 95 % interval"`
		High       string          `json:"high,omitempty" doc:"of an estimate: the upper end"`
		Currency   retail.Currency `json:"currency,omitempty" doc:"ISO 4217"`
		Count      *int64          `json:"count,omitempty" doc:"of numbers of shoppers or receipts"`
		Ratio      string          `json:"ratio,omitempty" doc:"of ratios: decimal string with three places"`
		Suppressed bool            `json:"suppressed,omitempty" doc:"the figure is not told"`
		Reason     string          `json:"reason,omitempty" doc:"why: k where fewer than k shoppers stand behind it, not_measured, or why there is no estimate"`
	}
	// Delivery is an exact figure of what was delivered and paid, of line items
	// whose audiences had at least k shoppers when they were booked.
	Delivery struct {
		Amount     string          `json:"amount,omitempty" doc:"of money: decimal string"`
		Currency   retail.Currency `json:"currency,omitempty" doc:"ISO 4217"`
		Count      *int64          `json:"count,omitempty"`
		Suppressed bool            `json:"suppressed,omitempty"`
		Reason     string          `json:"reason,omitempty" doc:"audience_too_small"`
	}
	figure struct{}
)

// Schema documents a figure that is either cleared or delivered.
func (figure) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{
		r.Schema(reflect.TypeFor[Cleared](), true, ""), r.Schema(reflect.TypeFor[Delivery](), true, ""),
	}}
}

// describe has the document tell of types that are not the gate's own.
func describe(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	r.RegisterTypeAlias(reflect.TypeFor[cleanroom.Cleared](), reflect.TypeFor[Cleared]())
	r.RegisterTypeAlias(reflect.TypeFor[cleanroom.Delivery](), reflect.TypeFor[Delivery]())
	r.RegisterTypeAlias(reflect.TypeFor[insight.Value](), reflect.TypeFor[figure]())
}
