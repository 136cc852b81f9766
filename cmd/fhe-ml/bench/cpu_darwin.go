package bench

import "golang.org/x/sys/unix"

// cpuBrand asks the system for the processor's name.
func cpuBrand() string {
	name, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return name
}
