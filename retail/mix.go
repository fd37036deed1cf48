package retail

// GoldenGamma is the odd number by which SplitMix64 counts: 2⁶⁴ over the golden
// ratio.
const GoldenGamma = 0x9e3779b97f4a7c15

// Mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection whose
// output bits each depend on every input bit, and which leaves 0 where it is.
// Arms of experiments, ids and kept models rest on it, so it never changes.
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
