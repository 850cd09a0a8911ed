"""Small image files and the pixels that they hold, for the check of decoders."""

from __future__ import annotations

import base64

LOSSLESS: dict[str, bytes] = {
    "PNG": base64.b85decode(
        "iBL{Q4GJ0x0000DNk~Le00006000042m$~A03v4D6aWAKAW1|)RCwBBWME*>Kt(JJHVh05g2)Iiqy$IELdFmT0CDOAL{"
        "1|Svj6}907*qoM6N<$f&"
    ),
    "BMP": base64.b85decode(
        "LQRGM00000001@s001Ze000I6000C4000317ytkO002+`006`e006`e00000000000002A05h~GX0%Y5w0O+4p#QYU00"
        "01Z03vuOM0ikUczB3-psIMt0000y01-SWB0NwtJa|MrpjAA`000000000e002+`0C)fZpa1~K000"
    ),
    "GIF": base64.b85decode(
        "M@dFFH(>?<1OS8p0LZleptQ_*w3*0ws-Sp?cz9+|v}RCvL@2Z~0JH!ocp?CJ0LVO5pgcr)JTp){A}Bl&06YN5005u>0C"
        ")fZPyhfZ0000000000000000000000000000000000004x9i000I61ONaC9sn;`s6b(Yga{BGIB39Nfr0}C2n<Moz<_`"
        "N00II4I{"
    ),
    "WebP": base64.b85decode("Qb|TeE&u=kS4BclR!}%hA^-pYF9pB=0J$<m^gnhH(f@!#wh^F#&0p*uhC!K#m;j&@%nt"),
    "TIFF": base64.b85decode(
        "Nl7XIQ~&?~c$^K%Apw9u42IFK0u@m6XD2Vf3>7ZJAAt(EY4k!&&<S|<0R{nrga#b*Eqs@c^x1y=XWBzkTB);jQ&^3trM"
        "j}7uJ;34C>P5B3IG5B0{{U4000I6000320{{U4000C4000630{{a6007be000940{{U4000O8000I70{{U400062000p"
        "I1ONd5000O8000#M0{{U400093000&N0{{U4000C4000*O1ONd5002t>000~T0{{U40003100000000O82mlBG"
    ),
    "PPM": base64.b85decode(
        "P&NuSAT$axH8lzV001Ze08jt`cmM#P0077U002AyC_E8RJR*2JGoU;~$UId5cmODPB2ailcz9-@c!<b&ssOYAD6}(Bv}Sm;nV_`H$h7|"
    ),
    "JPEG 2000": base64.b85decode(
        "0000CYEU2`4GM<}0000KW^{RQYH%_j00000YH%_j0000jYH%`W0000MX=r3}000040000600RdH0000001sntY;pkr00"
        "0005C8xG+G=nzWB*V8Q2;Lh000001^@s61ONa400000000001^@s61ONa4000000009A0RaaA0S5sA|55-90000100IO"
        "A00IA8017}rNJvmfNKpS|03`qcLvm$dbY)~9VtF7>aAj^vP(?=|c4cyNX>V>IGA=bPH2;tQ3IG5A003M70soWVfEWhu2"
        "glR~2v=X<fEWh{Pr!U2fCZ=E1_F6kz&Z^40N@`8AO{O#GY7-!0{{_1d!h9LfD1XGEq}x61CO*42hI!>9oG}VA4?PzfB)"
        "G"
    ),
    "JPEG XL": base64.b85decode(
        "{|XpD5D5qX0RWr<OBj=mgM(QJ&QDN1DhBvby@NNqKwJPpK|bI?-UIUX0rvs-0pBCI54aDwPf$=#Pq=qa_#VT-yMY|TcQ"
        "Lf?VRS?Kgx{aL?z^h{X_qMz(fM*`n7ULp5MMJh?|LiZsRb}Wm_Pv"
    ),
    "HEIF": base64.b85decode(
        "0000SW^{RQXk}@500000ZE0pPXk}@5ZE0a<0004gZDn*}000000000XXk=`10000000000aA{+700000000000000000"
        "000B57=IV*mgE07O6l0RRC200001q5uH^0000000FW9001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|"
        "zbZr0t000010002~X>f9I0002qX>en20001YXm(>m0R#vD005pi00000|L_3(|M>U-01pFT0096OKmiN^|NjIC00093o"
        ";Uyi0{{U3x&lC90096hLID8;2mk;B0G>Di00RI3|BwU_AhO+6(_GvHGyo6)00RM#000935P)I;0RRX@0l{!EV6h+o000"
        "wXZ)|dIV{CW;0RRmE0Du4h02FC+aAg1h0000006+i$06+i$04QT@VQ>Hd00sa60096100aO400IC1|Hc3S00RI2|HJ?Q"
        "00IC201$9#cxeCt0009B2nYZG02pa-ZD9Za00000009621%Uzs1%v<q0lIBuVRQfh0j?+kuLZIR$N_+`B$|=nHn;!h^Y"
        "XrtxW0SBKOfKdXZimR=gNowzqW7x|B#Xs06M{plfE13*UpP^&z$+socY3${;`N3|BE<{(NaW?RCOIkQnKqVvg-LCZ2|t"
        "=d&$dDWgla%yCNi<TW^2PAhW&aMn9uVlfiVno;2J?DE3gI0LP_YNi7SeE^C_Rxvrh3Y1&#eXw&j9><|J$e<fVkSbYoEi"
        "o*<9n{_||e$Q_a=k?D6097%^H-#MLy82%gb@N8eJ#5B#$lc+@65oDv2Pb0;{QDIx&>VteHWw_jwpdGU^q7M`&QC};1tp"
        "ob&piDXvF(ZOUqsbQzAXHY$}YPOrVZmL5+b3QbKi3{_ePGDGllincf%siSoD0H6LsSzvg1YHewqYHY>aI>z6B_)WM{Iu"
        "d)sami%KLkIqW(%-fcgA!|`RB3kPW81uxZkwER;tXjS_RD;~=&VvTH|k4MSDH(oMpE;L>D>7YcBLV@zXLoG#};9IVPdF"
        "R2vaM&Tl^EVK-u!c1zJV6F?vRm9ux?PK9Iy<3aRZz5or50H=4AgmG"
    ),
}
"""The picture of `expected`, 6 x 4 pixels, by format."""

DEEP = base64.b85decode("iBL{Q4GJ0x0000DNk~Le00004000015C8xG0F1|sQUCw|5lKWrRCt_YU|?WmY-srZ9{>iC0|62ea83XK002ovPDHLkV1f")
"""A PNG of 16 bits, 4 x 1: 0, 257, 128 x 257 and 65535."""

TRANSPARENT = base64.b85decode(
    "iBL{Q4GJ0x0000DNk~Le00003000012nGNE02|;Gv;Y7A6-h)vRCt_Y_|L%bpMl|j1DA*#0{|Wp1G@kAkfHzp002ovPDHLkV1f"
)
"""A PNG, 3 x 1: red, half transparent blue, and a colour that is wholly transparent."""

ROTATED = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|KR{4MR;ju002!*04e|g00;m90TKWM0000100sa600000|JwjV00;&K2L=TQ2L}fU2?"
    "z=d6b%du3k(?&6Au&}8Xq1V8XO!TBrYc)A}k{u94I#_EHE)NG&CP4IXyTsJT5adGXL8ELjeg12@DGi7!3^=G9erxGBPq"
    "UGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBW?b01*fP2mlZR0U`hb5di}c0sq7R9{>OW1"
    "pxs80RaI300000000010s{mE1_uZU3Jd?l0JRVR0s#X90t5pE1q1{D00Dgg0s{a95d{(<F+m0sQDFxnaTGFvk)a49Lb1"
    "UWQqk}vGh%Xr2?`b$7#SKRCMPH<Dl|1VH#j*uLqtVJM@UIZQ&d$}S6EqEV`OD!XJ~0^b98lfcX)YvgM@{Khlq)al9QB`"
    "mY0~BnxdnmrKYE-sj9NGw6(UkxVgH*!^FkL$H>Xb($mz{*4NnC+Tr5k<mKk)=;`Y5^7Hid_V@Vt`v1fL9{~UZ0RaI40R"
    "aI40RR91000010s{mE1_uZU3Jd?l0JRYS0s#U91Oo&I1q1{D0Rndb0RjUN1O*{61`<J02Vrp&A~Jyp6he`qvB3!=Gg9y"
    "sVsg<679=#`CGi&+85$-hC@Cs6Ha9pqIzvQ7Mn_0VN>fx-R##YAT4Q8oW@l(=YIAgTc6WGrdV+(5g@%WSiHeewl$Dm3n"
    "3<ZQqok##r>Lo_va__cwzs&sy28W6#m2|T$;#5x)YaD4*xB0R<K*S$=jiF`^7Hid_V@Vt`v2Mh3<CiG0ucid06zfv{)#"
    "A|5C7Q"
)
"""A black JPEG of 16 x 8 pixels whose EXIF tag says that it is to be turned."""

JPEG = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00;&K2L=TQ2L}fU2?z=d6b%du3k(?&6Au&}8Xq1V8XO!TBrYc)A}k{u94I#_EH"
    "E)NG&CP4IXyTsJT5adGXL8ELjeg12@DGi7!3^=G9erxGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPq"
    "UGBPqUGBPqUGBW?b01*fP5C9MZ0U`hb5di}c0sq7R9{>OW1pxs80RaI300000000010s{mE1_uZU3Jd?l0JRVR0s#X90"
    "t5pE1q1{D00Dgg0s{a95d{(<F+m0sQDFxnaTGFvk)a49Lb1UWQqk}vGh%Xr2?`b$7#SKRCMPH<Dl|1VH#j*uLqtVJM@U"
    "IZQ&d$}S6EqEV`OD!XJ~0^b98lfcX)YvgM@{Khlq)al9QB`mY0~BnxdnmrKYE-sj9NGw6(UkxVgH*!^FkL$H>Xb($mz{"
    "*4NnC+Tr5k<mKk)=;`Y5^7Hid_V@Vt`v1fL9{~UZ0RaI40RaI40RR91000010s{mE1_uZU3Jd?l0JRYS0s#U91Oo&I1q"
    "1{D0Rndb0RjUN1O*{61`<J02Vrp&A~Jyp6he`qvB3!=Gg9ysVsg<679=#`CGi&+85$-hC@Cs6Ha9pqIzvQ7Mn_0VN>fx"
    "-R##YAT4Q8oW@l(=YIAgTc6WGrdV+(5g@%WSiHeewl$Dm3n3<ZQqok##r>Lo_va__cwzs&sy28W6#m2|T$;#5x)YaD4*"
    "xB0R<K*S$=jiF`^7Hid_V@Vt`v2Mh3<CiG0ucid06zfZamH$$;b`QJRXAli2izLE22DYE9_w}^_)crVi?crBYUuyj"
)
"""16 x 16 pixels of a photograph."""

PROGRESSIVE_JPEG = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00;&K2L=TQ2L}fU2?z=d6b%du3k(?&6Au&}8Xq1V8XO!TBrYc)A}k{u94I#_EH"
    "E)NG&CP4IXyTsJT5adGXL8ELjeg12@DGi7!3^=G9erxGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPqUGBPq"
    "UGBPqUGBPqUGBW?d01*fP5C9MZ0U`hb5di}c0sq7R761VO0RR910000000000000951^>hV6#)SO0000000000000000"
    "00C9|Jncy0|5X65CaeZ00G7pfL#B?02mMe0|5a50000000000000000RkZ+|Jncu0RaF31p+S_YoGtb02L7d0RR91000"
    "0000000000000sq<n2mu2D0Y3q+|HJ?l5di@J00000000000000000061+5iXv0s#R(0gwO002UAd0RaF20000000000"
    "0000101*G$00;pA00ut-hkyUX02vSf0{{a60000000000000000TB=}VgK3y2mt{A0Y4!r2G%ItKmXbQ3<CiG0ssR500"
    "0mp|HJ?m5di@K0000000000000000096I|Jncu0RsU6KM*=!|HJ?m5di@K0000000000000000096I|Jncu0RjO5KM+{"
    "o|HJ?p5CH)J00RI30000000000009vIAwgmP+5iXv0RRC%5S(0)qEYm4S5O_U|Je"
)
"""The same photograph, progressive."""

JPEG_PIXELS = base64.b85decode(
    "tSb(yDh;bD4XP;&sVNMqDh;SB52!2<t1%g)EEJq75{(`Th8qcb69R!547N~0tSb(yDh;bD4XY{*swxetDh;SB52!2<r!"
    "5tuEEJzD6^<VZh8qce69an`1*ASOt11nvDh;bD4XY{*swxetDh;SB52q^+q$(1kD-)wH7?B|jh#Loh76x_?0F5RWt11n"
    "wD-NtH4y-E<t1AwxD-NkF5T`2-qbd)gEE1(L8j&FjhZ+Wj8VGq00Dcz;swxeuD-NwJ53MW@tSk?#EDxzH4yP**rY#boD"
    "G;VI8<QgqhZqHk9t?gI1bq_&swxeuD-NwJ53Vf`tt}9&EDxzH4yY>)tS}UxCk&=C8JQ;!h#3Wo9twgN1%4F*swxkwD-f"
    "+M5Uwr}t}YR+EfA|K4yY>)t}+&!BM7N78lf!~iW&ro90!CK1Ar9)swxkwD-f+M5Uwr}t}YR+EfA|K4yY>)urn8$Aq1;4"
    "8m2NCj2r}q83KY60Duz!tSk|%ED@_K5UMH<swxetDh;bF45=&(sx1$qDGZ}45~eQ~oGKED83Te80EZa@tSk|%ED@_K5U"
    "MH<swxeuD-NqH46H2;t1b|wDGjA85vMU1ohcBF8v}$C0EQR=sw@+#EEB6M5UVQ?t1AwxD-NtJ4XiB<tuPX&EDfeD5U4N"
    "}p(+xP9t4LK0EHC*sw@+!D-x?K5UVQ?t1AwyEDx<N4y`T@urL#<Ef1(H5U4N}qb(DaAqa~X0EQF*sw@+!D-x?K5UVQ?t"
    "Sk?$EfB9R53Vl{u`&{?E)c0L5vec}r!N$nC=HGp0frI)sw@+!D-x?K5UVQ?tSk?$EfBCT5U?*0urU#<E)J<I4yiB`sxl"
    "X%ED)3)1cws<sVfqxD-x+J5UeZ_tt}9*E)lRV5V0^3uP_j*Ee)wG4yiB`tTY*?F%_612#OQ{sVfqxD-x+J5UMQ^t}PI+"
    "E)lRV5V0^3uP_j*Ee)tE4XH2@t~DB}G8dX83X2s0"
)
"""The pixels of both (16, 16, 3), as libjpeg decodes them."""
