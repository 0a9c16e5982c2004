// OHIF's configuration: images come from Gransk's own DICOMweb proxy, and from nowhere else.
window.config = {
  name: 'gransk',
  routerBasename: '/viewer',
  extensions: [],
  modes: [],
  customizationService: {},
  showStudyList: false,
  showLoadingIndicator: true,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showErrorDetails: 'production',
  strictZSpacingForVolumeViewport: true,
  maxNumberOfWebWorkers: 3,
  maxNumRequests: { interaction: 50, thumbnail: 5, prefetch: 15 },
  disableConfirmationPrompts: true,
  measurementTrackingMode: 'simplified',
  investigationalUseDialog: { option: 'never' },
  i18n: { language: __LANGUAGE__ },
  whiteLabeling: {
    createLogoComponentFn: function (React) {
      return React.createElement(
        'a',
        { href: '/', style: { color: '#fff', fontWeight: 600, fontSize: '18px', padding: '0 12px' } },
        '\u2190 Gransk'
      );
    },
  },
  defaultDataSourceName: 'gransk',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'gransk',
      configuration: {
        friendlyName: 'Gransk',
        name: 'gransk',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        wadoUriRoot: '/dicom-web',
        qidoSupportsIncludeField: true,
        supportsReject: false,
        dicomUploadEnabled: false,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        singlepart: 'bulkdata,video',
        bulkDataURI: { enabled: true },
        omitQuotationForMultipartRequest: true,
      },
    },
  ],
};
