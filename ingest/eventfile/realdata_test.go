package eventfile

import (
	"os"
	"path/filepath"
	"testing"
)

// Counted independently, with Python's json and csv modules.
var realCounts = map[string]int{
	"windows/cmd_dumping_ntds_dit_file_ntdsutil.zip":                                11184,
	"windows/covenant_dcsync_dcerpc_drsuapi_DsGetNCChanges.zip":                     869,
	"windows/covenant_psremoting_command.zip":                                       4284,
	"windows/covenant_sc_query_dcerpc_smb_svcctl.zip":                               629,
	"windows/covenant_wmi_remote_event_subscription_ActiveScriptEventConsumers.zip": 3719,
	"windows/empire_mimikatz_logonpasswords.zip":                                    6026,
	"windows/empire_over_pth_patch_lsass.zip":                                       10271,
	"windows/empire_shell_rubeus_asktgt_ptt.zip":                                    1179,
	"windows/empire_wmic_add_user_backdoor.zip":                                     12278,
	"zeek/apt29-day1-NASHUA.zip":                                                    1725,
	"zeek/apt29-day1-SCRANTON.zip":                                                  415,
	"cloudtrail/*.json.gz":                                                          1233,
	"entra/signinlogs.ndjson":                                                       86,
	"exchange/demo_exchange_data.csv.gz":                                            1334,
	"stratus/*.json":                                                                310,
	"panther/tests_dev.ndjson.gz":                                                   1523,
}

// TestRealData reads real files in place: LAKEWARD_REALDATA is their
// directory.
func TestRealData(t *testing.T) {
	dir := os.Getenv("LAKEWARD_REALDATA")
	if dir == "" {
		t.Skip("LAKEWARD_REALDATA names no directory; test/realdata reads the fixtures that are kept")
	}
	for pattern, want := range realCounts {
		t.Run(pattern, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no files %s: %v", pattern, err)
			}
			total := 0
			for _, f := range files {
				events, _, err := read(t, f)
				if err != nil {
					t.Fatal(err)
				}
				total += len(events)
			}
			if total != want {
				t.Errorf("%d events, want %d", total, want)
			}
		})
	}
}
