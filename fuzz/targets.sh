# Sourced by campaign and by the build script of OSS-Fuzz: what there is to know of a target besides its name.

# The names of all targets.
all_targets() { find fuzz_targets -name '*.rs' -printf '%f\n' | sed 's/\.rs$//' | sort; }

# The words that its inputs are written with; none for inputs whose bytes only decide what is built.
dictionary_of() {
    case $1 in
        acpi_* | assert_iort | iort_reference) cat dictionaries/acpi.dict ;;
        dt_overlay | dt_tree | dt_vs_fdt) cat dictionaries/dt.dict ;;
        lspci_text) cat dictionaries/lspci.dict ;;
        cli_text | input_log | input_query | input_schedule | input_sysfs) cat dictionaries/text.dict ;;
        capi_open | input_firmware | input_named | lint_decode | machine_container | report_json) cat dictionaries/*.dict ;;
    esac
}

# The longest input that is worth trying, in bytes.
longest_of() {
    case $1 in
        cli_text | input_log | input_query | input_schedule) echo 512 ;;
        *_built | dt_map | map_index | group_order | iort_reference | input_sysfs) echo 2048 ;;
        pci_config) echo 4096 ;;
        *) echo 16384 ;;
    esac
}
