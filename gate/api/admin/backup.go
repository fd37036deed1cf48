package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"endcap/gate/access"
	"endcap/gate/api"
	"endcap/retail"
)

// BackUp asks for a backup to a directory that the server can reach.
type BackUp struct {
	To string `json:"to" doc:"absolute path on the server, outside the data directory"`
}

// BackedUp is one line of a backup's answer: progress, and at last the summary
// or what went wrong.
type BackedUp struct {
	Done     int64          `json:"done,omitempty" doc:"bytes of the house"`
	Total    int64          `json:"total,omitempty"`
	Summary  *BackupSummary `json:"summary,omitempty"`
	Problem  string         `json:"problem,omitempty" doc:"why there is no backup"`
	Finished bool           `json:"finished,omitempty"`
}

// BackupSummary is what a backup did.
type BackupSummary struct {
	At            time.Time `json:"at" doc:"the instant that a restore brings back"`
	ReadableUntil time.Time `json:"readable_until" doc:"when the key of its week is destroyed"`
	Files         int       `json:"files"`
	Bytes         int64     `json:"bytes" doc:"in the house"`
	NewBytes      int64     `json:"new_bytes" doc:"of them, in no earlier backup"`
	Written       int64     `json:"written_bytes" doc:"to the target, compressed and encrypted"`
	Dropped       int       `json:"dropped" doc:"older backups that nobody could read any more"`
	Tombstones    int       `json:"tombstones"`
	Seconds       float64   `json:"seconds"`
	StillSeconds  float64   `json:"still_seconds" doc:"for how long nothing was stored, so that all stores show one instant"`
}

// LastBackup is the newest backup this house made.
type LastBackup struct {
	At            time.Time `json:"at"`
	ReadableUntil time.Time `json:"readable_until"`
	To            string    `json:"to"`
}

// RecoveryKey is the house's half of the recovery key.
type RecoveryKey struct {
	Public  string `json:"public" maxLength:"4096" doc:"as endcap key recovery writes it"`
	Replace bool   `json:"replace,omitempty" doc:"take it in place of the one that is set"`
}

func mountBackups(s *api.Server, h *handler) {
	mountLines(s, huma.Operation{
		OperationID: "back-up", Method: http.MethodPost, Path: "/v1/backups", Tags: []string{"admin"}, Security: api.Needs(access.Admin),
		Summary:     "Back up the house while it serves.",
		Description: "Answers a line of JSON from time to time, and at last the summary. A backup that broke off leaves nothing in the way of the next. Only over the socket of the data directory.",
	}, func(ctx context.Context, in *BackUp, tell func(BackedUp)) error {
		if err := operatorOnly(ctx, "backups are made", "endcap backup"); err != nil {
			return err
		}
		err := h.BackUp(ctx, in, tell)
		if err != nil && retail.KindOf(err) == retail.Internal { // it is told: the caller runs the machine
			tell(BackedUp{Problem: err.Error(), Finished: true})
			return nil
		}
		return err
	})
	api.Register(s, huma.Operation{
		OperationID: "set-recovery-key", Method: http.MethodPut, Path: "/v1/recovery-key", Tags: []string{"admin"}, Security: api.Needs(access.Admin),
		Summary:     "Set the recovery key that backups are made for.",
		Description: "Takes its public half; the other never reaches the server. Only over the socket of the data directory.",
	}, h.setRecovery)
}

type recoveryIn struct{ Body RecoveryKey }

type recoveryOut struct {
	Body struct {
		Name string `json:"name" doc:"tells recovery keys apart"`
	}
}

func (h *handler) setRecovery(ctx context.Context, in *recoveryIn) (*recoveryOut, error) {
	if err := operatorOnly(ctx, "the recovery key is set", "endcap key recovery"); err != nil {
		return nil, err
	}
	name, err := h.Recovery(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	out := new(recoveryOut)
	out.Body.Name = name
	return out, nil
}
