package api

import (
	"errors"

	"endcap/know/ingest"
	"endcap/retail"
)

// FaultOf makes of a reading error why a row lies in quarantine; nil of none.
// What cannot be read at all is unparsed, a field that cannot be a bad value.
func FaultOf(err error) *ingest.Fault {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*retail.Error](err)
	if !ok {
		return &ingest.Fault{Reason: ingest.Unparsed, Say: err.Error()}
	}
	f := &ingest.Fault{Reason: ingest.BadValue, Field: e.Field, Say: e.Say, Cure: e.Cure}
	if e.Field == "body" {
		f.Reason, f.Field = ingest.Unparsed, ""
	}
	if f.Cure == "" {
		f.Cure = ProblemOf(err).Cure
	}
	return f
}
