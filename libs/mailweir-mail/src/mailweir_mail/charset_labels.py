"""The charset labels that mail uses, and the Python codec of each.

A label stands for the superset that clients use for it: latin-1 is windows-1252, gb2312 is gb18030.
"""

from typing import Final

# A line is a codec and labels of it, lower case.
_TABLE: Final = """
utf-8          utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 utf-8-sig
utf-8          utf8mb4 csutf8 utf_8
cp1252         iso-8859-1 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 iso-ir-100 latin1 latin-1
cp1252         l1 csisolatin1 cp819 ibm819 windows-1252 cp1252 cp-1252 x-cp1252 win-1252
cp1252         ansi_x3.110-1983 8859-1 8859_1
ascii          us-ascii ascii ansi_x3.4-1968 ansi_x3.4-1986 iso-ir-6 iso646-us us cp367 ibm367
ascii          csascii iso_646.irv:1991 646 7bit 8bit default none
iso8859_2      iso-8859-2 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 iso-ir-101 latin2 latin-2
iso8859_2      l2 csisolatin2
iso8859_3      iso-8859-3 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 iso-ir-109 latin3 latin-3
iso8859_3      l3 csisolatin3
iso8859_4      iso-8859-4 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 iso-ir-110 latin4 latin-4
iso8859_4      l4 csisolatin4
iso8859_5      iso-8859-5 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988 iso-ir-144 cyrillic
iso8859_5      csisolatincyrillic
iso8859_6      iso-8859-6 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987 iso-8859-6-e iso-8859-6-i
iso8859_6      iso-ir-127 arabic asmo-708 ecma-114 csisolatinarabic csiso88596e csiso88596i
iso8859_7      iso-8859-7 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 iso-ir-126 greek greek8
iso8859_7      ecma-118 elot_928 sun_eu_greek csisolatingreek
iso8859_8      iso-8859-8 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 iso-8859-8-e iso-8859-8-i
iso8859_8      iso-ir-138 hebrew visual logical csisolatinhebrew csiso88598e csiso88598i
cp1254         iso-8859-9 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 iso-ir-148 latin5 latin-5
cp1254         l5 csisolatin5 windows-1254 cp1254 x-cp1254 win-1254
iso8859_10     iso-8859-10 iso8859-10 iso885910 iso-ir-157 latin6 latin-6 l6 csisolatin6
iso8859_13     iso-8859-13 iso8859-13 iso885913 latin7 latin-7
iso8859_14     iso-8859-14 iso8859-14 iso885914 latin8 latin-8
iso8859_15     iso-8859-15 iso8859-15 iso885915 iso_8859-15 latin9 latin-9 l9 csisolatin9
iso8859_16     iso-8859-16 iso8859-16 latin10 latin-10
cp1250         windows-1250 cp1250 cp-1250 x-cp1250 win-1250
cp1251         windows-1251 cp1251 cp-1251 x-cp1251 win-1251 ansi-1251 1251
cp1253         windows-1253 cp1253 x-cp1253
cp1255         windows-1255 cp1255 x-cp1255
cp1256         windows-1256 cp1256 x-cp1256
cp1257         windows-1257 cp1257 x-cp1257
cp1258         windows-1258 cp1258 x-cp1258
cp874          windows-874 cp874 dos-874 tis-620 tis620 iso-8859-11 iso8859-11 iso885911 iso-ir-166
tis_620        tis_620
koi8_r         koi8-r koi8 koi koi8_r koi8r cskoi8r
koi8_u         koi8-u koi8_u koi8-ru koi8u
kz1048         kz-1048 strk1048-2002 rk1048
ptcp154        ptcp154 csptcp154 pt154 cp154 cyrillic-asian
cp437          cp437 ibm437 437 cspc8codepage437
cp850          cp850 ibm850 850
cp852          cp852 ibm852 852
cp855          cp855 ibm855 855
cp858          cp858 ibm858
cp862          cp862 ibm862
cp864          cp864 ibm864
cp866          cp866 ibm866 866 csibm866
mac_roman      macintosh mac x-mac-roman csmacintosh macroman mac-roman
mac_cyrillic   x-mac-cyrillic x-mac-ukrainian mac-cyrillic
mac_greek      x-mac-greek
mac_latin2     x-mac-ce x-mac-centraleurroman
mac_turkish    x-mac-turkish
gb18030        gb18030 gb2312 gbk x-gbk cp936 ms936 windows-936 gb_2312 gb_2312-80 chinese
gb18030        iso-ir-58 csgb2312 csiso58gb231280 gb2312_charset euc-cn gb-2312 eucgb2312_cn
hz             hz-gb-2312 hz
cp950          big5 big5-hkscs big5_hkscs cn-big5 csbig5 x-x-big5 cp950 ms950 windows-950 big-5
cp950          big5-eten
euc_jis_2004   euc-jp x-euc-jp cseucpkdfmtjapanese eucjp
cp932          shift_jis shift-jis sjis x-sjis csshiftjis ms_kanji ms932 windows-31j cswindows31j
cp932          cp932
iso2022_jp_ext iso-2022-jp csiso2022jp iso-2022-jp-1 iso-2022-jp-ms cp50220 cp50221 jis
iso2022_jp_2   iso-2022-jp-2 csiso2022jp2
iso2022_jp_3   iso-2022-jp-3
cp949          euc-kr euckr cseuckr korean ksc5601 ks_c_5601-1987 ks_c_5601-1989 ksc_5601
cp949          iso-ir-149 windows-949 cp949 ms949 uhc csksc56011987 ks_c_5601
iso2022_kr     iso-2022-kr csiso2022kr
johab          johab
utf-7          utf-7 utf7 unicode-1-1-utf-7 csunicode11utf7 x-unicode-2-0-utf-7 utf-7-imap
utf-16         utf-16 utf16 unicode csunicode iso-10646-ucs-2 ucs-2 unicodefeff
utf-16-le      utf-16le utf16le unicodefffe ucs-2le
utf-16-be      utf-16be utf16be ucs-2be
utf-32         utf-32 utf32 ucs-4 iso-10646-ucs-4
utf-32-le      utf-32le utf32le
utf-32-be      utf-32be utf32be
"""

CODECS: Final = {
    label: codec
    for codec, *labels in (line.split() for line in _TABLE.strip().splitlines())
    for label in labels
}
