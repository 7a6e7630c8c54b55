/*
 * The IORT of a board with three PCI segments, written from the public account of an arm64 server in 2020.
 * For iasl: `iasl -p iort iort.dsl` writes iort.aml, which is kept here as iort.bin.
 */
[0004]                          Signature : "IORT"
[0004]                       Table Length : 000001F4
[0001]                           Revision : 00
[0001]                           Checksum : 00
[0006]                             Oem ID : "FWSPEC"
[0008]                       Oem Table ID : "D05-2020"
[0004]                       Oem Revision : 00000001
[0004]                    Asl Compiler ID : "INTL"
[0004]              Asl Compiler Revision : 00000000
[0004]                         Node Count : 00000008
[0004]                        Node Offset : 00000030
[0004]                           Reserved : 00000000

/* 0x30: ITS 0 */
[0001]                               Type : 00
[0002]                             Length : 0018
[0001]                           Revision : 00
[0004]                           Reserved : 00000000
[0004]                      Mapping Count : 00000000
[0004]                     Mapping Offset : 00000000
[0004]                           ItsCount : 00000001
[0004]                        Identifiers : 00000000

/* 0x48: ITS 1 */
[0001]                               Type : 00
[0002]                             Length : 0018
[0001]                           Revision : 00
[0004]                           Reserved : 00000000
[0004]                      Mapping Count : 00000000
[0004]                     Mapping Offset : 00000000
[0004]                           ItsCount : 00000001
[0004]                        Identifiers : 00000001

/* 0x60: the SMMUv3 of socket 0: every StreamID n raises MSIs as DeviceID 0x0 + n */
[0001]                               Type : 04
[0002]                             Length : 0058
[0001]                           Revision : 01
[0004]                           Reserved : 00000000
[0004]                      Mapping Count : 00000001
[0004]                     Mapping Offset : 00000044
[0008]                       Base Address : 00000000A0040000
[0004]              Flags (decoded below) : 00000001
                          COHACC Override : 1
                            HTTU Override : 0
                   Proximity Domain Valid : 0
[0004]                           Reserved : 00000000
[0008]                      VATOS Address : 0000000000000000
[0004]                              Model : 00000001
[0004]                         Event GSIV : 00000100
[0004]                           PRI GSIV : 00000101
[0004]                          GERR GSIV : 00000102
[0004]                          Sync GSIV : 00000103
[0004]                   Proximity Domain : 00000000
[0004]            Device ID Mapping Index : 00000000
[0004]                         Input base : 00000000
[0004]                           ID Count : 0000FFFF
[0004]                        Output Base : 00000000
[0004]                   Output Reference : 00000030
[0004]              Flags (decoded below) : 00000000
                           Single Mapping : 0

/* 0xb8: the SMMUv3 of socket 1: every StreamID n raises MSIs as DeviceID 0x20000 + n */
[0001]                               Type : 04
[0002]                             Length : 0058
[0001]                           Revision : 01
[0004]                           Reserved : 00000000
[0004]                      Mapping Count : 00000001
[0004]                     Mapping Offset : 00000044
[0008]                       Base Address : 00007000A0040000
[0004]              Flags (decoded below) : 00000001
                          COHACC Override : 1
                            HTTU Override : 0
                   Proximity Domain Valid : 0
[0004]                           Reserved : 00000000
[0008]                      VATOS Address : 0000000000000000
[0004]                              Model : 00000001
[0004]                         Event GSIV : 00000200
[0004]                           PRI GSIV : 00000201
[0004]                          GERR GSIV : 00000202
[0004]                          Sync GSIV : 00000203
[0004]                   Proximity Domain : 00000000
[0004]            Device ID Mapping Index : 00000000
[0004]                         Input base : 00000000
[0004]                           ID Count : 0000FFFF
[0004]                        Output Base : 00020000
[0004]                   Output Reference : 00000048
[0004]              Flags (decoded below) : 00000000
                           Single Mapping : 0

/* 0x110: the root complex of segment 0000: buses 0x00 to 0x1f keep their ids */
[0001]                               Type : 02
[0002]                             Length : 0038
[0001]                           Revision : 00
[0004]                           Reserved : 00000000
[0004]                      Mapping Count : 00000001
[0004]                     Mapping Offset : 00000024
[0008]                  Memory Properties : [IORT Memory Access Properties]
[0004]                    Cache Coherency : 00000001
[0001]              Hints (decoded below) : 00
                                Transient : 0
                           Write Allocate : 0
                            Read Allocate : 0
                                 Override : 0
[0002]                           Reserved : 0000
[0001]       Memory Flags (decoded below) : 03
                                Coherency : 1
                         Device Attribute : 1
[0004]                      ATS Attribute : 00000000
[0004]                 PCI Segment Number : 00000000
[0001]                  Memory Size Limit : 00
[0003]                           Reserved : 000000
[0004]                         Input base : 00000000
[0004]                           ID Count : 00001FFF
[0004]                        Output Base : 00000000
[0004]                   Output Reference : 00000060
[0004]              Flags (decoded below) : 00000000
                           Single Mapping : 0

/* 0x148: the root complex of segment 0002: buses 0x20 to 0x2f keep their ids */
[0001]                               Type : 02
[0002]                             Length : 0038
[0001]                           Revision : 00
[0004]                           Reserved : 00000000
[0004]                      Mapping Count : 00000001
[0004]                     Mapping Offset : 00000024
[0008]                  Memory Properties : [IORT Memory Access Properties]
[0004]                    Cache Coherency : 00000001
[0001]              Hints (decoded below) : 00
                                Transient : 0
                           Write Allocate : 0
                            Read Allocate : 0
                                 Override : 0
[0002]                           Reserved : 0000
[0001]       Memory Flags (decoded below) : 03
                                Coherency : 1
                         Device Attribute : 1
[0004]                      ATS Attribute : 00000000
[0004]                 PCI Segment Number : 00000002
[0001]                  Memory Size Limit : 00
[0003]                           Reserved : 000000
[0004]                         Input base : 00002000
[0004]                           ID Count : 00000FFF
[0004]                        Output Base : 00002000
[0004]                   Output Reference : 00000060
[0004]              Flags (decoded below) : 00000000
                           Single Mapping : 0

/* 0x180: the root complex of segment 000a: buses 0x10 to 0x1f become StreamIDs 0x5000 to 0x5fff */
[0001]                               Type : 02
[0002]                             Length : 0038
[0001]                           Revision : 00
[0004]                           Reserved : 00000000
[0004]                      Mapping Count : 00000001
[0004]                     Mapping Offset : 00000024
[0008]                  Memory Properties : [IORT Memory Access Properties]
[0004]                    Cache Coherency : 00000001
[0001]              Hints (decoded below) : 00
                                Transient : 0
                           Write Allocate : 0
                            Read Allocate : 0
                                 Override : 0
[0002]                           Reserved : 0000
[0001]       Memory Flags (decoded below) : 03
                                Coherency : 1
                         Device Attribute : 1
[0004]                      ATS Attribute : 00000000
[0004]                 PCI Segment Number : 0000000A
[0001]                  Memory Size Limit : 00
[0003]                           Reserved : 000000
[0004]                         Input base : 00001000
[0004]                           ID Count : 00000FFF
[0004]                        Output Base : 00005000
[0004]                   Output Reference : 000000B8
[0004]              Flags (decoded below) : 00000000
                           Single Mapping : 0

/* 0x1b8: a storage controller that is no PCI device */
[0001]                               Type : 01
[0002]                             Length : 003C
[0001]                           Revision : 00
[0004]                           Reserved : 00000000
[0004]                      Mapping Count : 00000001
[0004]                     Mapping Offset : 00000028
[0004]                         Node Flags : 00000000
[0008]                  Memory Properties : [IORT Memory Access Properties]
[0004]                    Cache Coherency : 00000001
[0001]              Hints (decoded below) : 00
                                Transient : 0
                           Write Allocate : 0
                            Read Allocate : 0
                                 Override : 0
[0002]                           Reserved : 0000
[0001]       Memory Flags (decoded below) : 03
                                Coherency : 1
                         Device Attribute : 1
[0001]                  Memory Size Limit : 00
[0011]                        Device Name : "\_SB_.SAS1"
[0004]                         Input base : 00000000
[0004]                           ID Count : 00000000
[0004]                        Output Base : 00009000
[0004]                   Output Reference : 00000060
[0004]              Flags (decoded below) : 00000001
                           Single Mapping : 1
