package tfhe

// Bootstrap sets dst (dimension kN) to a fresh encryption of the (first) answer of the table to what src (dimension kN) encrypts: key switch,
// modulus switch, blind rotation, sample extraction. dst may be src. Many at a time are several times faster with [Bootstrapper].
func (ev *Evaluator) Bootstrap(dst, src *LWECiphertext, table *LookupTable) {
	ev.boot.ks.keySwitch(ev.boot.key, []LWECiphertext{*src}, nil, 0)
	ev.boot.start(ev.boot.ks.small, []*LookupTable{table}, ev.state)
	ev.boot.rotate(ev.state, nil, 0)
	ev.state[0].extract(ev.p, dst, 0)
}

// BootstrapBit sets dst to an encryption of bit*one, where src encrypts bit*2^63 (the top position, no padding) and
// table is [NewSignTable] of one.
func (ev *Evaluator) BootstrapBit(dst, src *LWECiphertext, table *LookupTable, one uint64) {
	ev.Bootstrap(dst, src, table)
	dst.Body += one >> 1
}
