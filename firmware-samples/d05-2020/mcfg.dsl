/*
 * Where the config space of the three segments is, and which buses each has.
 * For iasl: `iasl -p mcfg mcfg.dsl` writes mcfg.aml, which is kept here as mcfg.bin.
 */
[0004]                          Signature : "MCFG"
[0004]                       Table Length : 0000005C
[0001]                           Revision : 01
[0001]                           Checksum : 00
[0006]                             Oem ID : "FWSPEC"
[0008]                       Oem Table ID : "D05-2020"
[0004]                       Oem Revision : 00000001
[0004]                    Asl Compiler ID : "INTL"
[0004]              Asl Compiler Revision : 00000000
[0008]                           Reserved : 0000000000000000

/* segment 0000 */
[0008]                       Base Address : 00000000B0000000
[0002]               Segment Group Number : 0000
[0001]                   Start Bus Number : 00
[0001]                     End Bus Number : 1F
[0004]                           Reserved : 00000000

/* segment 0002 */
[0008]                       Base Address : 00000000A8000000
[0002]               Segment Group Number : 0002
[0001]                   Start Bus Number : 20
[0001]                     End Bus Number : 2F
[0004]                           Reserved : 00000000

/* segment 000a */
[0008]                       Base Address : 00007000A0000000
[0002]               Segment Group Number : 000A
[0001]                   Start Bus Number : 10
[0001]                     End Bus Number : 1F
[0004]                           Reserved : 00000000
