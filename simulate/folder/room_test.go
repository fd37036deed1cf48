package folder_test

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"endcap/retail"
	"endcap/simulate/folder"
	"endcap/simulate/scenario"
)

// disk has so many bytes free, of which the folder's own take none.
type disk struct {
	vfs.FS
	free uint64
}

func (d disk) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	if _, err := d.Stat(path); err != nil {
		return vfs.DiskUsage{}, err
	}
	return vfs.DiskUsage{AvailBytes: d.free}, nil
}

// weigh adds up the bytes of all files beneath a folder.
func weigh(t *testing.T, fs vfs.FS, dir string) (all int64) {
	t.Helper()
	names, err := fs.List(dir)
	must(t, err)
	for _, n := range names {
		info, err := fs.Stat(fs.PathJoin(dir, n))
		must(t, err)
		if info.IsDir() {
			all += weigh(t, fs, fs.PathJoin(dir, n))
			continue
		}
		all += info.Size()
	}
	return all
}

func TestADiskIsKnownToBeTooSmallBeforehand(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]func(s *scenario.Scenario){
		"as it comes":         func(*scenario.Scenario) {},
		"much of the site":    func(s *scenario.Scenario) { s.Account, s.Browse = 1, 2 },
		"no cards, no site":   func(s *scenario.Scenario) { s.Account, s.Card = 0, 0 },
		"a wide range":        func(s *scenario.Scenario) { s.Products, s.Stores = 20_000, 10 },
		"everything ordered":  func(s *scenario.Scenario) { s.Account, s.Online, s.Browse = 1, 1, 0 },
		"hardly any shoppers": func(s *scenario.Scenario) { s.Shoppers, s.Products = 500, 20_000 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small(vfs.NewMem(), 4_000, 2)
			turn(&o.Scenario)
			setUp, week := folder.Disk(&o.Scenario)
			needs := setUp + 2*week
			plenty := o.FS
			o.FS = disk{plenty, needs - 1}
			_, err := folder.Write(t.Context(), o)
			if e, ok := errors.AsType[*retail.Error](err); !ok || e.Kind != retail.Unavailable || !strings.Contains(e.Say, "MB free") || !strings.Contains(e.Say, "needs about") || e.Cure == "" {
				t.Errorf("a disk that is too small: %v", err)
			}
			if _, err := plenty.Stat("/out"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was written: %v", err)
			}
			o.FS = disk{plenty, needs}
			if _, err := folder.Write(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if got := float64(weigh(t, plenty, "/out")); math.Abs(got/float64(needs)-1) > 0.15 {
				t.Errorf("%.0f bytes were written, %d were foreseen: %.2f", got, needs, got/float64(needs))
			}
		})
	}
}

// What is left to do needs what is left of the room.
func TestARunGoesOnWhereThereIsRoomForTheRest(t *testing.T) {
	t.Parallel()
	o := broken(t)
	_, week := folder.Disk(&o.Scenario)
	plenty := o.FS
	o.FS = disk{plenty, 2*week - 1}
	if _, err := folder.Write(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the disk has") {
		t.Errorf("room for fewer than two weeks: %v", err)
	}
	o.FS = disk{plenty, 2 * week}
	if _, err := folder.Write(t.Context(), o); err != nil {
		t.Errorf("room for two weeks: %v", err)
	}
}

func TestAMachineIsKnownToBeTooSmallBeforehand(t *testing.T) {
	t.Parallel()
	o := small(vfs.NewMem(), 1_000, 1)
	o.Memory = folder.Memory(&o.Scenario) - 1
	_, err := folder.Write(t.Context(), o)
	if e, ok := errors.AsType[*retail.Error](err); !ok || e.Kind != retail.Unavailable || e.Say != "1000 shoppers take 134.3 MB of memory, and 134.3 MB is free" {
		t.Error(err)
	}
	for _, free := range []uint64{o.Memory + 1, 0} { // enough, and nobody knows how much
		o.FS, o.Memory = vfs.NewMem(), free
		if _, err := folder.Write(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
}
