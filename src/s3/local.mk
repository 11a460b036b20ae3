# Signing, URLs, XML, credentials and the one transfer engine: what an S3 bucket needs.
libblobforge_a_SOURCES += \
	src/s3/s3_creds.c src/s3/s3_creds.h \
	src/s3/s3_creds_net.c src/s3/s3_creds_net.h \
	src/s3/s3_curl.c src/s3/s3_curl.h \
	src/s3/s3_http.c src/s3/s3_http.h \
	src/s3/s3_secret.c src/s3/s3_secret.h \
	src/s3/s3_sign.c src/s3/s3_sign.h \
	src/s3/s3_time.c src/s3/s3_time.h \
	src/s3/s3_trust.c src/s3/s3_trust.h \
	src/s3/s3_url.c src/s3/s3_url.h \
	src/s3/s3_xml.c src/s3/s3_xml.h
